"""The process that works: it tells how far it is, and ends alone."""

import dataclasses
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llve_jax.demo import worker as worker_module
from llve_jax.demo.job import Job
from llve_jax.demo.limits import Limits
from llve_jax.demo.worker import CancelledError, Progress, Waiting, Worker
from llve_jax.errors import UserError


def act(job: Job, limits: Limits, tell: Any) -> Any:
  """In place of real work; runs in the process of the worker."""
  what = job.options["do"]
  if what == "count":
    for at in range(3):
      tell(at + 1, 3)
      time.sleep(0.3)
    return ("result", os.getpid())
  if what == "refuse":
    raise UserError("no")
  if what == "fault":
    raise ZeroDivisionError("oh")
  if what == "crash":
    os.kill(os.getpid(), signal.SIGSEGV)
  if what == "hold":
    held = bytearray(1_000_000_000)
    held[::4096] = b"x" * len(held[::4096])
  time.sleep(60)
  return None


@pytest.fixture
def worker() -> Iterator[Worker]:
  made = Worker(Limits(), act)
  yield made
  made.close()


def run(worker: Worker, what: str, cancelled: threading.Event | None = None) -> list[Any]:
  return list(worker.run(Job(Path("x"), {"do": what}), cancelled or threading.Event()))


def test_it_tells_how_far_it_is_and_stays_for_the_next(worker: Worker) -> None:
  *told, result = run(worker, "count")
  assert all(isinstance(each, Progress) for each in told)
  assert {(each.done, each.total) for each in told} >= {(1, 3), (2, 3)}
  assert [each.done for each in told] == sorted(each.done for each in told)
  assert run(worker, "count")[-1] == result  # the same process
  assert result[1] != os.getpid()
  with pytest.raises(UserError, match=r"^no$"):
    run(worker, "refuse")
  with pytest.raises(UserError, match=r"fault of the program: ZeroDivisionError\('oh'\)"):
    run(worker, "fault")
  assert run(worker, "count")[-1] == result
  with pytest.raises(UserError, match="damaged, or made to break the reader"):
    run(worker, "crash")
  assert run(worker, "count")[-1] != result


def test_it_can_be_cancelled(worker: Worker) -> None:
  cancelled = threading.Event()
  threading.Timer(0.5, cancelled.set).start()
  began = time.monotonic()
  with pytest.raises(CancelledError):
    run(worker, "sleep", cancelled)
  assert time.monotonic() - began < 30
  assert worker._process is None


@pytest.mark.parametrize(
  ("what", "limits", "message"),
  [
    ("sleep", {"minutes": 0.001}, r"more than 0\.001 minutes"),
    ("hold", {"memory": 1.0}, r"more than 1 GB of memory"),
  ],
)
def test_time_and_memory_are_bounded(
  worker: Worker, what: str, limits: dict[str, float], message: str
) -> None:
  if what == "hold" and not Path("/proc/self/statm").exists():
    pytest.skip("this system does not tell how much memory a process holds")
  worker.limits = dataclasses.replace(Limits(), **limits)
  if what == "hold":
    run(worker, "count")  # by itself it does not hold so much
  with pytest.raises(UserError, match=message):
    run(worker, what)
  assert worker._process is None


def test_who_does_not_listen_any_more_does_not_block_the_next(worker: Worker) -> None:
  steps = worker.run(Job(Path("x"), {"do": "sleep"}), threading.Event())
  assert isinstance(next(steps), Progress)
  steps.close()  # type: ignore[attr-defined]
  assert run(worker, "count")[-1][0] == "result"


def test_one_after_the_other_and_whoever_waits_may_go(worker: Worker) -> None:
  worker.limits = dataclasses.replace(Limits(), waiting=2)
  job, leaves = Job(Path("x"), {"do": "count"}), threading.Event()
  first = worker.run(job, threading.Event())
  assert isinstance(next(first), Progress)
  second, third = worker.run(job, leaves), worker.run(job, threading.Event())
  assert [next(second), next(third)] == [Waiting(1), Waiting(2)]
  with pytest.raises(UserError, match="Many others wait"):
    run(worker, "count")
  leaves.set()
  with pytest.raises(CancelledError):
    next(second)
  assert next(third) == Waiting(1)
  first.close()  # type: ignore[attr-defined]
  assert list(third)[-1][0] == "result"
  with pytest.raises(CancelledError):
    run(worker, "count", leaves)  # given up before its turn: it does not begin


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_memory_is_that_which_is_held_and_not_what_may_be_addressed() -> None:
  lines = Path("/proc/self/status").read_text().splitlines()
  told = {name: words for name, _, words in (line.partition(":") for line in lines)}
  resident, addressed = (1024 * int(told[name].split()[0]) for name in ("VmRSS", "VmSize"))
  held = worker_module._held(os.getpid())
  assert held == pytest.approx(resident / 1e9, rel=0.1)
  assert addressed > 1.3 * resident  # else the two could not be told apart
  assert worker_module._held(2**31 - 1) is None
