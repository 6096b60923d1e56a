"""Checkpoints when the disk is full, and when the process is killed."""

import random
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.io.checkpoint import Checkpoints
from tests.io.checkpoint_run import names, stream

FULL = """
import resource, sys
import jax, jax.numpy as jnp
import grain
from llve_jax.errors import run_main
from llve_jax.io.checkpoint import Checkpoints

def save(step):
  iterator = iter(grain.MapDataset.range(9).to_iter_dataset())
  state = {"x": step + jax.random.normal(jax.random.key(0), (10000,))}
  checkpoints.save(step, state, iterator, {"step": step})

def main(argv):
  global checkpoints
  checkpoints = Checkpoints(argv[1], keep=2)
  for step in (1, 2, 3):
    save(step)
  checkpoints.wait()
  resource.setrlimit(resource.RLIMIT_FSIZE, (int(argv[2]), -1))
  save(4)
  if argv[3] == "check":
    while True:
      checkpoints.check()
  if argv[3] == "save":
    save(5)
  checkpoints.close()

run_main(main)
"""


@pytest.mark.parametrize(("limit", "then"), [(20000, "check"), (100, "save"), (1, "close")])
def test_a_full_disk_leaves_the_older_checkpoints(tmp_path: Path, limit: int, then: str) -> None:
  result = subprocess.run(
    [sys.executable, "-c", FULL, str(tmp_path), str(limit), then],
    capture_output=True,
    text=True,
    check=False,
    timeout=120,
  )
  assert result.returncode == 2, result.stderr
  # What orbax leaves unsaid, asyncio may say before or after.
  expected = (
    f"error: {tmp_path}: the checkpoint of step 4 could not be written (File too large); older "
    "checkpoints (steps 2, 3) remain usable; free space and give the same command again"
  )
  assert result.stderr.splitlines().count(expected) == 1, result.stderr
  checkpoints = Checkpoints(tmp_path)
  assert names(tmp_path) == ["2", "3"]
  _, memory = checkpoints.restore({"x": jnp.zeros(10000)}, stream())
  assert memory == {"step": 3}
  checkpoints.close()


ENDLESS = """
import itertools, sys
import jax.numpy as jnp
import grain
from llve_jax.io.checkpoint import Checkpoints

iterator = iter(grain.MapDataset.range(9).to_iter_dataset())
checkpoints = Checkpoints(sys.argv[1], keep=2)
for step in itertools.count((checkpoints.latest or 0) + 1):
  checkpoints.save(step, {"x": jnp.full((300, 1000), float(step))}, iterator, {"step": step})
  print(step, flush=True)
"""


@pytest.mark.slow
def test_it_can_be_restored_after_a_kill_at_any_moment(tmp_path: Path) -> None:
  chance, newest = random.Random(6), 0
  for turn in range(3):
    with subprocess.Popen(
      [sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
      assert process.stdout is not None
      for _ in range(3):  # a save begins when the one before is written
        assert process.stdout.readline().strip().isdigit()
      time.sleep(0.1 * chance.random())
      process.kill()
    checkpoints = Checkpoints(tmp_path)
    latest = checkpoints.latest
    assert latest is not None
    assert latest > newest
    restored, memory = checkpoints.restore({"x": jnp.zeros((300, 1000))}, stream())
    assert memory == {"step": latest}
    np.testing.assert_array_equal(restored["x"], np.full((300, 1000), float(latest)))
    checkpoints.close()
    if turn == 1:  # damage between two runs
      with open(tmp_path / str(latest) / "run" / "run.json", "a") as file:
        file.write(" ")
      latest -= 1
      assert Checkpoints(tmp_path).restore({"x": jnp.zeros((300, 1000))}, stream())[1] == {
        "step": latest
      }
    newest = latest
