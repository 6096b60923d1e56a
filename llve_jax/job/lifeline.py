"""The connections between the processes of a job, by which each learns of another one's end.

JAX's own coordination service ends the others too, but by SIGABRT with a stack trace, and in the
case of a process in the middle of other work minutes later. Here a process that dies closes its
connection and a host that fails falls silent: at once, or after the heartbeat, the others say which
one it was and end with `EXIT_LOST`. One that ends with an error says so before, and with which exit
status: the others end with the same one, as starting again may be of no use.
"""

import contextlib
import os
import queue
import select
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from llve_jax.job.json_lines import Link

EXIT_LOST = 76
# How long a process that hears of another's error may still run: most often it has the same error,
# and should end with that.
_GRACE_SECONDS = 3.0
_TICK_SECONDS = 0.1


class _LostError(Exception):
  """Ends the watch: `process` is gone, because of `reason`."""

  def __init__(self, process: int, reason: str):
    super().__init__(process, reason)
    self.process, self.reason = process, reason


class _FailedError(Exception):
  """Ends the watch: `process` ends with the exit status `code`, because of `reason`."""

  def __init__(self, process: int, reason: str, code: int):
    super().__init__(process, reason, code)
    self.process, self.reason, self.code = process, reason, code


def end(message: str, code: int) -> None:
  """Ends this process at once with `code`, whatever its other threads wait for."""
  # Not print: another thread may hold the lock of the stream for ever.
  os.write(2, f"error: {message}\n".encode(errors="backslashreplace"))
  os._exit(code)


class Lifeline:
  """Watches the other processes in a thread of its own.

  All messages go through process 0: it is connected to all, the others to it.

  Attributes:
    asked: which process was asked to stop and why, once another one was; else empty.
  """

  def __init__(
    self,
    process: int,
    processes: int,
    links: Mapping[int, Link],
    *,
    heartbeat: float,
    on_end: Callable[[str, int], None] = end,
  ):
    """Starts to watch.

    Args:
      process: this one.
      processes: in all.
      links: to the others, by process: of process 0 to all, of another one to 0.
      heartbeat: seconds of silence after which a process counts as lost.
      on_end: called in the thread, with a message and the exit status, when this process has to
        end because another one did.
    """
    self._process, self._processes = process, processes
    self._links = dict(links)
    self._heartbeat, self._on_end = heartbeat, on_end
    self._heard = dict.fromkeys(self._links, time.monotonic())
    # The one queue that a signal handler may put something in, whatever it interrupts.
    self._to_send: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    self._closing, self._relaxed = threading.Event(), threading.Event()
    self.asked = ""
    self._thread = threading.Thread(target=self._run, name="lifeline", daemon=True)
    self._thread.start()

  def ask(self, reason: str) -> None:
    """Tells all processes that this one was asked to stop; may be called in a signal handler."""
    self._to_send.put(self._message("asked", reason))

  def fail(self, reason: str, code: int) -> None:
    """Tells all processes that this one ends with exit status `code`, and stops to watch."""
    self._to_send.put({**self._message("failed", reason), "code": code})
    self.close()

  def relax(self) -> None:
    """From now on a loss is none: all are about to end."""
    self._relaxed.set()

  def close(self) -> None:
    """Stops to watch; the end of this process is no loss for the others from now on."""
    self._relaxed.set()
    self._to_send.put(self._message("bye"))
    self._closing.set()
    self._thread.join(timeout=2.0)

  def _message(self, kind: str, text: str = "") -> dict[str, Any]:
    return {"kind": kind, "process": self._process, "text": text}

  def _run(self) -> None:
    next_beat = 0.0
    try:
      while not (closing := self._closing.is_set()) or not self._to_send.empty():
        if time.monotonic() >= next_beat:
          self._send(self._message("alive"))
          next_beat = time.monotonic() + self._heartbeat / 5
        while not self._to_send.empty():
          self._send(self._to_send.get())
        if not closing:
          self._receive()
          self._check_silence()
    except _LostError as lost:
      if self._relaxed.is_set():
        return
      self._send({"kind": "lost", "process": lost.process, "text": lost.reason})
      self._on_end(
        f"process {lost.process} of {self._processes} was lost: {lost.reason}; start the job "
        "again, it goes on from the last checkpoint",
        EXIT_LOST,
      )
    except _FailedError as failed:
      if self._relaxed.is_set():
        return
      self._on_end(
        f"process {failed.process} of {self._processes} ended with status {failed.code}, and so "
        f"does this one: {failed.reason}",
        failed.code,
      )
    except Exception as error:  # without a watch a loss would be waited for for ever
      self._on_end(f"the other processes cannot be watched any more: {error!r}", EXIT_LOST)
    finally:
      for link in self._links.values():
        link.close()

  def _send(self, message: dict[str, Any], *, skip: int | None = None) -> None:
    for process, link in self._links.items():
      # A broken connection is noticed by `_receive`, which first reads why the other one ended;
      # one that is stuck by `_check_silence`.
      with contextlib.suppress(OSError):
        if process != skip:
          link.send(message)

  def _receive(self) -> None:
    # What has come in is read before anyone is judged silent: this process may have slept.
    ready, _, _ = select.select(list(self._links.values()), [], [], _TICK_SECONDS)
    for process in [process for process, link in self._links.items() if link in ready]:
      try:
        messages = self._links[process].receive()
      except OSError as error:
        raise _LostError(process, f"its connection broke ({error})") from error
      if messages is None:
        raise _LostError(process, "its connection was closed")
      self._heard[process] = time.monotonic()
      for message in messages:
        self._handle(process, message)

  def _handle(self, sender: int, message: dict[str, Any]) -> None:
    kind, about, text = message["kind"], message["process"], message["text"]
    if kind == "bye":
      self._links.pop(sender).close()
    elif kind == "asked":
      self.asked = self.asked or f"process {about}: {text}"
      self._send(message, skip=sender)
    elif kind == "lost":
      raise _LostError(about, text)
    elif kind == "failed":
      self._send(message, skip=sender)
      if not self._closing.wait(_GRACE_SECONDS):
        raise _FailedError(about, text, int(message["code"]) & 255 or 1)

  def _check_silence(self) -> None:
    for process in self._links:
      if (silent := time.monotonic() - self._heard[process]) > self._heartbeat:
        raise _LostError(process, f"nothing was heard from it for {silent:.0f} s")
