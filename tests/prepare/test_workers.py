import os
import signal
import subprocess
import sys
import time

import pytest

from llve_jax.errors import UserError
from llve_jax.prepare.workers import each


def _where(item):
  return item, os.getpid()


def _refuse(item):
  raise UserError(f"{item}: is refused")


def _die(item):
  os.kill(os.getpid(), signal.SIGKILL)


def test_one_process_is_this_one():
  assert list(each(_where, [1, 2], 1)) == [(1, os.getpid()), (2, os.getpid())]
  assert list(each(_where, [], 4)) == []


def test_more_processes_do_all_items():
  done = dict(each(_where, list(range(5)), 2))
  assert sorted(done) == list(range(5))
  assert os.getpid() not in done.values()


@pytest.mark.parametrize(
  ("task", "message"), [(_refuse, "is refused"), (_die, "a worker process was killed")]
)
def test_errors_come_through(task, message):
  with pytest.raises(UserError, match=message):
    list(each(task, [1, 2], 2))


_STOPPED = """
import sys, time
from pathlib import Path
from llve_jax.prepare.workers import each

def task(name):
  Path(name).touch()
  try:
    time.sleep(60)
  finally:
    Path(name).unlink()

if __name__ == "__main__":
  import signal
  def stop(*_):
    raise KeyboardInterrupt
  signal.signal(signal.SIGTERM, stop)
  try:
    list(each(task, ["a", "b", "c"], 2))
  except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_workers_that_are_stopped_clean_up(tmp_path, stop):
  (tmp_path / "stopped.py").write_text(_STOPPED)
  run = subprocess.Popen(
    [sys.executable, "stopped.py"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
  )
  deadline = time.monotonic() + 60
  while len(list(tmp_path.iterdir())) < 3 and time.monotonic() < deadline:
    time.sleep(0.05)
  assert len(list(tmp_path.iterdir())) == 3  # both have begun
  run.send_signal(stop)
  _, said = run.communicate(timeout=60)
  assert run.returncode == 130
  assert said == ""
  assert [path.name for path in tmp_path.iterdir() if path.suffix != ".py"] == []
