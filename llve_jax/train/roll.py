"""Roll call: the processes of a job find each other, and that they were started alike.

Process 0 listens at the coordinator's address; each other process says which one it is, how many
it was told of, and what time it is there. When all have come, all are told to go on; if one does
not come in time, or they do not fit together, all are told why. One JSON value a line, over TCP.
"""

import contextlib
import json
import socket
import time
from collections.abc import Mapping
from typing import Any

from llve_jax.errors import UserError

# Clocks further apart make ages of files and times in logs meaningless.
MAX_CLOCK_SECONDS = 60.0
# A visitor that says nothing in this time is no process of ours.
_GREETING_SECONDS = 3.0
_RETRY_SECONDS = 0.3


class Link:
  """One connection; messages are JSON objects."""

  def __init__(self, connection: socket.socket):
    """Takes over a connected socket."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(10.0)
    self._connection, self._buffer = connection, b""

  def fileno(self) -> int:
    """For `select`."""
    return self._connection.fileno()

  @property
  def peer(self) -> str:
    """The other side's address."""
    return str(self._connection.getpeername()[0])

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
    return [_parse(line) for line in lines]

  def receive_one(self, deadline: float) -> dict[str, Any]:
    """Waits for one message, and leaves what follows it; OSError if none comes by `deadline`."""
    line = b""
    while not line.endswith(b"\n") and len(line) < 1 << 16:
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
  except ValueError as error:
    raise OSError("it sent something else than JSON") from error
  if not isinstance(message, dict):
    raise OSError("it sent something else than JSON objects")
  return message


def call(port: int, processes: int, *, wait: float, same: Mapping[str, str]) -> dict[int, Link]:
  """What process 0 does: waits for all others and returns the links to them.

  Args:
    port: to listen at, on all addresses.
    processes: in all, this one included.
    wait: seconds.
    same: values, by what they are called, that have to be equal in all processes.

  Raises:
    UserError: the port is taken, some do not come, or a process does not fit; those that came are
      told the same.
  """
  deadline = time.monotonic() + wait
  links: dict[int, Link] = {}
  try:
    with _listen(port) as listener:
      while len(links) < processes - 1:
        listener.settimeout(max(deadline - time.monotonic(), 0.01))
        try:
          connection, _ = listener.accept()
        except TimeoutError:
          raise UserError(_missing(links, processes, wait, port)) from None
        link = Link(connection)
        try:
          greeting = link.receive_one(time.monotonic() + _GREETING_SECONDS)
          process = int(greeting["process"])
          problem = _problem(greeting, processes, same)
        except (OSError, KeyError, TypeError, ValueError):
          link.close()  # something else that looks for open ports
          continue
        if not problem and process in links and _gone(links[process]):
          links.pop(process).close()  # it was started anew
        if not problem and process in links:
          problem = (
            f"two processes came as process {process}, from {links[process].peer} and {link.peer}; "
            "give each its own number (--process_id, LLVE_PROCESS_ID)"
          )
        if problem:
          _tell([link], {"error": problem})
          raise UserError(problem)
        links[process] = link
  except UserError as error:
    _tell(links.values(), {"error": str(error)})
    raise
  _tell(links.values(), {"go": True})
  return links


def answer(
  address: tuple[str, int], process: int, processes: int, *, wait: float, same: Mapping[str, str]
) -> Link:
  """What the other processes do: come to process 0, wait until all are there, return the link.

  Args:
    address: of process 0.
    process: this one.
    processes: in all.
    wait: seconds to look for process 0, and then again for the others.
    same: as for `call`.

  Raises:
    UserError: there is no process 0, or it says that the processes do not fit or did not come.
  """
  host, port = address
  deadline = time.monotonic() + wait
  problem = ""
  while time.monotonic() < deadline:
    link = None
    try:
      link = Link(socket.create_connection(address, timeout=max(1.0, min(5.0, wait))))
      link.send({"process": process, "processes": processes, "time": time.time(), "same": same})
      # Process 0 gives up by itself, and says so; this is for the case that it cannot.
      verdict = link.receive_one(time.monotonic() + wait + 5.0)
    except OSError as error:
      problem = str(error)
      if link is not None:
        link.close()
      time.sleep(_RETRY_SECONDS)
      continue
    if "error" in verdict:
      link.close()
      raise UserError(str(verdict["error"]))
    return link
  raise UserError(
    f"process {process} of {processes} found no process 0 at {host}:{port} within {wait:.0f} s "
    f"(last: {problem}); start process 0, check the coordinator's address (--coordinator, "
    f"LLVE_COORDINATOR) and that port {port} there is open to the other hosts"
  )


def _listen(port: int) -> socket.socket:
  try:
    if socket.has_dualstack_ipv6():
      return socket.create_server(
        ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
      )
    return socket.create_server(("", port), backlog=1024)
  except OSError as error:
    raise UserError(
      f"process 0 cannot listen at port {port}: {error.strerror or error}; another job on this "
      "host may use it, choose another one (--coordinator, LLVE_COORDINATOR)"
    ) from error


def _problem(greeting: Mapping[str, Any], processes: int, same: Mapping[str, str]) -> str:
  """What is wrong with a process that came, or nothing."""
  process, told, there = greeting["process"], greeting["processes"], greeting["same"]
  if told != processes:
    return (
      f"process 0 was started as one of {processes}, process {process} as one of {told}; start "
      "all with the same number (--num_processes, LLVE_NUM_PROCESSES)"
    )
  if not 0 < process < processes:
    return f"a process came as number {process}; expected 1 to {processes - 1}"
  if abs(seconds := greeting["time"] - time.time()) > MAX_CLOCK_SECONDS:
    return (
      f"the clock of process {process} is {abs(seconds):.0f} s "
      f"{'ahead of' if seconds > 0 else 'behind'} that of process 0; expected at most "
      f"{MAX_CLOCK_SECONDS:.0f} s; set the clocks of the hosts (NTP)"
    )
  for name in sorted({*same, *there}):
    if same.get(name) != there.get(name):
      return (
        f"process {process} has another {name} than process 0: {there.get(name)!r}, expected "
        f"{same.get(name)!r}; start all processes with the same command and the same code"
      )
  return ""


def _missing(links: Mapping[int, Link], processes: int, wait: float, port: int) -> str:
  missing = [str(process) for process in range(1, processes) if process not in links]
  return (
    f"{len(links) + 1} of {processes} processes came within {wait:.0f} s; missing: "
    f"{', '.join(missing[:8])}{', ...' if len(missing) > 8 else ''}. Start one on every host, "
    "check the number of processes (--num_processes, LLVE_NUM_PROCESSES) and that the hosts reach "
    f"port {port} of process 0"
  )


def _gone(link: Link) -> bool:
  """True if the other side has closed a link on which nothing is expected."""
  try:
    return link.receive(timeout=0.01) is None
  except TimeoutError:
    return False
  except OSError:
    return True


def _tell(links: Any, message: Mapping[str, Any]) -> None:
  for link in links:
    with contextlib.suppress(OSError):
      link.send(message)
