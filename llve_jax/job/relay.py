"""Keeps the connection to JAX's coordination service open when the service ends."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any


class Relay:
  """Carries the connections to JAX's coordination service on process 0.

  JAX ends a process by SIGABRT at the moment this connection closes, that is when process 0 dies.
  Through the relay it stays open, so that `Lifeline` has the last word.

  Attributes:
    address: to connect to instead, "host:port".
  """

  def __init__(self, target: tuple[str, int], *, wait: float = 60.0):
    """Starts to listen; `wait` is for how many seconds `target` is tried."""
    self._target, self._wait = target, wait
    self._listener = socket.create_server(("127.0.0.1", 0))
    self._leaving = threading.Event()
    self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
    self._start(self._accept)

  def release(self) -> None:
    """From now on the service's end is passed on, as it should be when the job is done."""
    self._leaving.set()

  def _start(self, function: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=function, args=arguments, name="relay", daemon=True).start()

  def _accept(self) -> None:
    while True:
      near, _ = self._listener.accept()
      self._start(self._carry, near)

  def _carry(self, near: socket.socket) -> None:
    deadline = time.monotonic() + self._wait
    while True:
      try:
        far = socket.create_connection(self._target, timeout=5.0)
        break
      except OSError:
        if time.monotonic() > deadline:
          near.close()
          return
        time.sleep(0.1)  # the service is about to start
    far.settimeout(None)
    for side in (near, far):
      side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    self._start(self._pump, near, far)
    self._pump(far, near, until=self._leaving)

  def _pump(
    self, source: socket.socket, sink: socket.socket, *, until: threading.Event | None = None
  ) -> None:
    """Copies until `source` ends; then ends `sink`, after `until`."""
    with contextlib.suppress(OSError):
      while data := source.recv(1 << 16):
        sink.sendall(data)
    if until is not None:
      until.wait()
    with contextlib.suppress(OSError):
      sink.shutdown(socket.SHUT_RDWR)
