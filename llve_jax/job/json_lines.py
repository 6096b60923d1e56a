"""A connection between two processes of a job: one JSON object a line, over TCP."""

import contextlib
import json
import socket
import time
from collections.abc import Mapping
from typing import Any

_LONGEST_LINE = 1 << 16  # bytes; ours are far shorter


class Link:
  """One connection; messages are JSON objects.

  Attributes:
    peer: the other side's address.
  """

  def __init__(self, connection: socket.socket):
    """Takes over a connected socket; OSError if it is no longer connected."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(10.0)
    self._connection, self._buffer = connection, b""
    self.peer = str(connection.getpeername()[0])

  def fileno(self) -> int:
    """For `select`."""
    return self._connection.fileno()

  def send(self, message: Mapping[str, Any]) -> None:
    """Sends one message."""
    self._connection.sendall(json.dumps(message).encode() + b"\n")

  def receive(self, timeout: float = 10.0) -> list[dict[str, Any]] | None:
    """Waits for bytes; returns the messages they complete, or None at the end of the connection.

    Raises:
      OSError: nothing came in `timeout` seconds, the connection broke, or it is not one of ours.
    """
    self._connection.settimeout(timeout)
    data = self._connection.recv(1 << 16)
    if not data:
      return None
    *lines, self._buffer = (self._buffer + data).split(b"\n")
    if len(self._buffer) > _LONGEST_LINE:
      raise OSError(f"it sent a line of more than {_LONGEST_LINE} bytes")
    return [_parse(line) for line in lines]

  def receive_one(self, deadline: float) -> dict[str, Any]:
    """Waits for one message, and leaves what follows it; OSError if none comes by `deadline`."""
    line = b""
    while not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
      self._connection.settimeout(max(deadline - time.monotonic(), 0.01))
      byte = self._connection.recv(1)
      if not byte:
        raise OSError("it closed the connection")
      line += byte
    return _parse(line)

  def close(self) -> None:
    """Closes the connection."""
    with contextlib.suppress(OSError):
      self._connection.close()


def _parse(line: bytes) -> dict[str, Any]:
  try:
    message = json.loads(line)
  except (ValueError, RecursionError) as error:
    raise OSError("it sent something else than JSON") from error
  if not isinstance(message, dict):
    raise OSError("it sent something else than JSON objects")
  return message
