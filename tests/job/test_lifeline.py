"""Several processes' ends of a lifeline, as threads of this one."""

import contextlib
import queue
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from llve_jax.job import lifeline
from llve_jax.job.json_lines import Link
from llve_jax.job.lifeline import EXIT_LOST, Lifeline


@pytest.fixture(autouse=True)
def little_grace(monkeypatch: pytest.MonkeyPatch) -> None:
  """Whoever hears of another's error waits for its own for a moment only."""
  monkeypatch.setattr(lifeline, "_GRACE_SECONDS", 0.2)


class Member:
  """One process: its lifeline, and what it was told of a loss."""

  def __init__(self, process: int, processes: int, sockets: dict[int, socket.socket]):
    self.losses: queue.Queue[str] = queue.Queue()
    self.codes: list[int] = []
    self.sockets = sockets
    links = {other: Link(connection) for other, connection in sockets.items()}
    self.lifeline = Lifeline(process, processes, links, heartbeat=1.0, on_end=self.ends)

  def ends(self, message: str, code: int) -> None:
    self.codes.append(code)
    self.losses.put(message)

  def die(self) -> None:
    """As the kernel does it for a process that is killed."""
    self.lifeline.relax()  # a dead process blames nobody
    for connection in self.sockets.values():
      with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def members() -> Iterator[list[Member]]:
  """Processes 0, 1 and 2."""
  pairs = {process: connected() for process in (1, 2)}
  zero = Member(0, 3, {process: pair[0] for process, pair in pairs.items()})
  members = [zero, *(Member(process, 3, {0: pair[1]}) for process, pair in pairs.items())]
  yield members
  for member in members:
    member.lifeline.close()


def connected() -> tuple[socket.socket, socket.socket]:
  with socket.create_server(("127.0.0.1", 0)) as listener:
    near = socket.create_connection(listener.getsockname())
    far, _ = listener.accept()
  return near, far


def test_while_all_live_nothing_happens(members: list[Member]) -> None:
  time.sleep(1.5)  # longer than the heartbeat
  assert [member.losses.empty() for member in members] == [True, True, True]


@pytest.mark.parametrize("dies", [1, 2])
def test_all_learn_which_one_died(members: list[Member], dies: int) -> None:
  members[dies].die()
  for member in members[:dies] + members[dies + 1 :]:
    loss = member.losses.get(timeout=3)
    assert loss.startswith(f"process {dies} of 3 was lost: ")
    assert loss.endswith("; start the job again, it goes on from the last checkpoint")
    assert member.codes == [EXIT_LOST] == [76]


def test_all_learn_that_process_0_died(members: list[Member]) -> None:
  members[0].die()
  for member in members[1:]:
    assert member.losses.get(timeout=3).startswith("process 0 of 3 was lost: ")


def test_silence_is_death() -> None:
  near, _far = connected()
  alone = Member(0, 2, {1: near})
  begun = time.monotonic()
  assert alone.losses.get(timeout=5).startswith("process 1 of 2 was lost: nothing was heard from")
  assert 0.9 < time.monotonic() - begun < 2.5


def test_who_says_goodbye_is_not_lost(members: list[Member]) -> None:
  members[2].lifeline.close()
  members[2].die()
  time.sleep(0.5)
  assert members[0].losses.empty()
  assert members[1].losses.empty()


def test_at_the_end_a_loss_is_none(members: list[Member]) -> None:
  members[1].lifeline.relax()
  members[0].die()
  assert members[2].losses.get(timeout=3)
  time.sleep(0.3)
  assert members[1].losses.empty()


@pytest.mark.parametrize("fails", [0, 1])
@pytest.mark.parametrize("code", [1, 2])
def test_an_error_is_told_with_its_message_and_status(
  members: list[Member], fails: int, code: int
) -> None:
  members[fails].lifeline.fail("UserError: the disk is full", code)
  members[fails].die()
  for member in members[:fails] + members[fails + 1 :]:
    assert member.losses.get(timeout=6) == (
      f"process {fails} of 3 ended with status {code}, and so does this one: "
      "UserError: the disk is full"
    )
    assert member.codes == [code]


def test_last_words_are_heard_though_the_connection_is_broken() -> None:
  """A send that fails must not hide what had been said before."""
  near, far = connected()
  link = Link(near)
  sends = []

  def send(message: object) -> None:
    sends.append(message)
    raise BrokenPipeError

  link.send = send  # type: ignore[method-assign]
  far.sendall(b'{"kind": "failed", "process": 1, "text": "UserError: x", "code": 2}\n')
  far.close()
  ends: queue.Queue[tuple[str, int]] = queue.Queue()
  Lifeline(0, 2, {1: link}, heartbeat=1.0, on_end=lambda *end: ends.put(end))
  assert ends.get(timeout=6) == (
    "process 1 of 2 ended with status 2, and so does this one: UserError: x",
    2,
  )
  assert sends


@pytest.mark.parametrize("code", ["256", "0", "-256"])
def test_a_failure_is_never_a_success(code: str) -> None:
  near, far = connected()
  alone = Member(0, 2, {1: near})
  far.sendall(b'{"kind": "failed", "process": 1, "text": "", "code": %s}\n' % code.encode())
  assert alone.losses.get(timeout=6)
  assert alone.codes == [1]


def test_the_end_is_said_whatever_the_words() -> None:
  script = "from llve_jax.job.lifeline import end; end('no \\udcff', 2)"
  done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
  assert (done.returncode, done.stderr) == (2, "error: no \\udcff\n")


def test_what_is_not_understood_is_no_silent_end_of_the_watch() -> None:
  near, far = connected()
  alone = Member(0, 2, {1: near})
  far.sendall(b"{}\n")
  assert "cannot be watched any more: KeyError('kind')" in alone.losses.get(timeout=3)
  assert alone.codes == [EXIT_LOST]


def test_a_request_reaches_all_others(members: list[Member]) -> None:
  members[1].lifeline.ask("SIGTERM")
  deadline = time.monotonic() + 3
  while not (members[0].lifeline.asked and members[2].lifeline.asked):
    assert time.monotonic() < deadline
    time.sleep(0.01)
  assert [member.lifeline.asked for member in members] == [
    "process 1: SIGTERM",
    "",
    "process 1: SIGTERM",
  ]
