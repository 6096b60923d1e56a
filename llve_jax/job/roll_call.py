"""Roll call: the processes of a job find each other, and that they were started alike.

Process 0 listens at the coordinator's address; each other process says which one it is, how many
it was told of, and what time it is there. When all have come, all are told to go on; if one does
not come in time, or they do not fit together, all are told why. One JSON value a line, over TCP.
Whatever else connects is listened to for a moment, beside the others, and sent away.
"""

import contextlib
import dataclasses
import math
import selectors
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any, Self

from llve_jax.errors import UserError
from llve_jax.job.json_lines import Link

# Clocks further apart make ages of files and times in logs meaningless.
MAX_CLOCK_SECONDS = 60.0
# A visitor that says nothing in this time is no process of ours.
_GREETING_SECONDS = 3.0
_RETRY_SECONDS = 0.3
# Connections beside those of the job that are listened to at once; each takes a file descriptor.
_MOST_STRANGERS = 64


class AbsentError(Exception):
  """Some processes did not come in time: no bad input, their hosts may only be late."""


@dataclasses.dataclass(frozen=True)
class _Greeting:
  """What a process says when it comes: its number, how many it was told of, its time, `same`."""

  process: int
  processes: int
  time: float
  same: dict[str, str]

  @classmethod
  def of(cls, message: Mapping[str, Any]) -> Self:
    """Reads a message; OSError if it is not such a one."""
    process, processes = message.get("process"), message.get("processes")
    now, same = message.get("time"), message.get("same")
    if (
      type(process) is not int  # and no bool
      or type(processes) is not int
      or type(now) is not float
      or not math.isfinite(now)
      or not isinstance(same, dict)
      or not all(isinstance(value, str) for value in same.values())
    ):
      raise OSError("it sent something else than a greeting")
    return cls(process, processes, now, same)


class _Visitors:
  """Those that have come and not yet said who they are; all are listened to at once."""

  def __init__(self, listener: socket.socket, most: int):
    """Admits at most so many at once, beyond that the last ones in place of the first ones."""
    listener.setblocking(False)
    self._listener, self._most = listener, most
    self._until: dict[Link, float] = {}  # in the order in which they came
    self._selector = selectors.DefaultSelector()
    self._selector.register(listener, selectors.EVENT_READ)

  def greetings(self, timeout: float) -> Iterator[tuple[Link, _Greeting]]:
    """Waits until something happens; yields who has greeted, which is nobody most of the times."""
    for key, _ in self._selector.select(min(timeout, _GREETING_SECONDS)):
      link = key.fileobj
      if not isinstance(link, Link):
        self._admit()
      elif link in self._until:
        try:
          if messages := link.receive(timeout=0.01):
            greeting = _Greeting.of(messages[0])
            self._forget(link)
            yield link, greeting
          elif messages is None:
            self._dismiss(link)
        except TimeoutError:
          pass  # there was nothing after all
        except OSError:  # something else that looks for open ports
          self._dismiss(link)
    for link, until in list(self._until.items()):
      if time.monotonic() > until:
        self._dismiss(link)

  def close(self) -> None:
    """Sends away all that have not greeted."""
    for link in list(self._until):
      self._dismiss(link)
    self._selector.close()

  def _admit(self) -> None:
    with contextlib.suppress(OSError):  # it has gone again
      link = Link(self._listener.accept()[0])
      self._until[link] = time.monotonic() + _GREETING_SECONDS
      self._selector.register(link, selectors.EVENT_READ)
    if len(self._until) > self._most:
      self._dismiss(next(iter(self._until)))

  def _forget(self, link: Link) -> None:
    self._selector.unregister(link)
    del self._until[link]

  def _dismiss(self, link: Link) -> None:
    self._forget(link)
    link.close()


def call(
  address: tuple[str, int], processes: int, *, wait: float, same: Mapping[str, str]
) -> dict[int, Link]:
  """What process 0 does: waits for all others and returns the links to them.

  Args:
    address: where to listen; an empty host: on all addresses of this one.
    processes: in all, this one included.
    wait: seconds.
    same: values, by what they are called, that have to be equal in all processes.

  Raises:
    UserError: the port is taken, or a process does not fit; those that came are told the same.
    AbsentError: some do not come; those that came are told so.
  """
  deadline = time.monotonic() + wait
  links: dict[int, Link] = {}
  try:
    with (
      _listen(address) as listener,
      contextlib.closing(_Visitors(listener, processes + _MOST_STRANGERS)) as visitors,
    ):
      while len(links) < processes - 1:
        if (left := deadline - time.monotonic()) <= 0:
          raise AbsentError(_missing(links, processes, wait, address[1]))
        for link, greeting in visitors.greetings(left):
          process = greeting.process
          problem = _problem(greeting, processes, same)
          if not problem and process in links and _gone(links[process]):
            links.pop(process).close()  # it was started anew
          if not problem and process in links:
            problem = (
              f"two processes came as process {process}, from {links[process].peer} and "
              f"{link.peer}; give each its own number (--process_id, LLVE_PROCESS_ID)"
            )
          if problem:
            _tell([link], {"error": problem})
            raise UserError(problem)
          links[process] = link
  except (UserError, AbsentError) as error:
    kind = "error" if isinstance(error, UserError) else "absent"
    _tell(links.values(), {kind: str(error)})
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
    UserError: process 0 says that the processes do not fit.
    AbsentError: there is no process 0, or it says that others did not come.
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
      if not {"go", "error", "absent"} & set(verdict):
        raise OSError("something else answers there")
    except OSError as error:
      problem = str(error)
      if link is not None:
        link.close()
      time.sleep(_RETRY_SECONDS)
      continue
    if "go" in verdict:
      return link
    link.close()
    if "error" in verdict:
      raise UserError(str(verdict["error"]))
    raise AbsentError(str(verdict["absent"]))
  raise AbsentError(
    f"process {process} of {processes} found no process 0 at {host}:{port} within {wait:.0f} s "
    f"(last: {problem}); start process 0, check the coordinator's address (--coordinator, "
    f"LLVE_COORDINATOR) and that port {port} there is open to the other hosts"
  )


def _listen(address: tuple[str, int]) -> socket.socket:
  host, port = address
  try:
    if not host and socket.has_dualstack_ipv6():
      return socket.create_server(
        address, family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
      )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server(address, family=family, backlog=1024)
  except OSError as error:
    raise UserError(
      f"process 0 cannot listen at port {port}: {error.strerror or error}; another job on this "
      "host may use it, choose another one (--coordinator, LLVE_COORDINATOR)"
    ) from error


def _problem(greeting: _Greeting, processes: int, same: Mapping[str, str]) -> str:
  """What is wrong with a process that came, or nothing."""
  process, told, there = greeting.process, greeting.processes, greeting.same
  if told != processes:
    return (
      f"process 0 was started as one of {processes}, process {process} as one of {told}; start "
      "all with the same number (--num_processes, LLVE_NUM_PROCESSES)"
    )
  if not 0 < process < processes:
    return f"a process came as number {process}; expected 1 to {processes - 1}"
  if abs(seconds := greeting.time - time.time()) > MAX_CLOCK_SECONDS:
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
