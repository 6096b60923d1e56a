"""launch/sweep.sh: the lines of `experiments.sweep --print`, without experiments.sweep."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

SWEEP = Path(__file__).parents[2] / "launch" / "sweep.sh"


@pytest.fixture
def lines(tmp_path):
  path = tmp_path / "lines"
  path.write_text(
    "echo 'a b' >>out && echo scored >>out\n"
    "echo second >>out; exit 4 && echo scored >>out\n"
    "\n"
    "echo third >>out && echo scored >>out"  # no line break at the end
  )
  return path


def test_all_lines_in_order_and_a_failed_one_does_not_end_it(launch, lines, tmp_path):
  done = launch("sweep.sh", lines, cwd=tmp_path)
  assert done.returncode == 4
  out = (tmp_path / "out").read_text().splitlines()
  assert out == ["a b", "scored", "second", "third", "scored"]
  assert done.stdout.startswith("$ echo 'a b' >>out && echo scored >>out\n")


def test_one_line_by_its_number_and_training_alone(launch, lines, tmp_path):
  assert launch("sweep.sh", lines, "4", "--train_only", cwd=tmp_path).returncode == 0
  assert (tmp_path / "out").read_text() == "third\n"


@pytest.mark.parametrize("status", [75, 76])
def test_no_further_line_after_a_stop(launch, tmp_path, status):
  (tmp_path / "lines").write_text(f"exit {status}\necho next >>out\n")
  assert launch("sweep.sh", "lines", cwd=tmp_path).returncode == status
  assert not (tmp_path / "out").exists()


def test_a_signal_comes_once_and_nothing_is_begun_after_it(python, tmp_path):
  program = python(
    "import signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: (print('saving', flush=True), time.sleep(1), "
    "print('saved', flush=True), sys.exit(75)))\n"
    "print('ready', flush=True)\n"
    "time.sleep(60)\n"
  )
  command = subprocess.list2cmdline(program)
  (tmp_path / "lines").write_text(f"{command} && echo scored\necho next\n")
  process = subprocess.Popen(
    ["bash", str(SWEEP), "lines"],
    stdout=subprocess.PIPE,
    text=True,
    cwd=tmp_path,
    start_new_session=True,
  )
  assert process.stdout is not None
  assert "ready\n" in iter(process.stdout.readline, "")
  os.killpg(process.pid, signal.SIGTERM)  # to the whole task, as Slurm does
  rest, _ = process.communicate(timeout=30)
  assert process.returncode == 75
  assert rest == "saving\nsaved\n"


def test_a_stop_between_two_lines_is_no_success(tmp_path):
  (tmp_path / "lines").write_text("trap '' TERM; echo ready; sleep 1\necho next\n")
  process = subprocess.Popen(
    ["bash", str(SWEEP), "lines"], stdout=subprocess.PIPE, text=True, cwd=tmp_path
  )
  assert process.stdout is not None
  assert "ready\n" in iter(process.stdout.readline, "")
  time.sleep(0.1)
  process.send_signal(signal.SIGTERM)
  rest, _ = process.communicate(timeout=30)
  assert (process.returncode, rest) == (75, "")


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ([], "expected a file with lines"),
    (["missing"], "missing: no such file"),
    (["lines", "5"], "lines has 4 lines, expected one of their numbers from 1 on, found '5'"),
    (["lines", "0"], "found '0'"),
    (["lines", "1", "2"], "unexpected argument '2'"),
    (["lines", "--all"], "unknown option --all"),
  ],
)
def test_bad_input(launch, lines, tmp_path, arguments, message):
  done = launch("sweep.sh", *arguments, cwd=tmp_path)
  assert done.returncode == 2
  assert message in done.stderr
  assert not (tmp_path / "out").exists()
