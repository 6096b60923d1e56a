"""CoBi's memory bar, measured by the benchmark in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run_benchmark(*arguments: str) -> str:
  command = [sys.executable, "-m", "experiments.benchmarks.cobi", "--repeats=1", *arguments]
  done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr
  return done.stdout


@pytest.mark.slow
def test_forward_and_backward_of_16384_positions_stay_under_600_megabytes():
  result = json.loads(run_benchmark("--measure=blockwise", "--sides=128"))
  # Both gradients alone are 17 MB: less than that would mean that nothing was measured.
  assert 17 < result["megabytes"] < 600


@pytest.mark.slow
def test_the_table_of_all_pairs_gives_the_same_loss_for_more_memory():
  header, line = run_benchmark("--sides=48").splitlines()
  assert "blockwise" in header
  cells = line.split()
  assert cells[0] == "2,304"
  assert float(cells[-1]) < 1e-5  # difference of the two losses
