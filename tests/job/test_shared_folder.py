"""Two processes with four devices each, on one folder."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.io.checkpoint import Checkpoints
from tests.io.checkpoint_run import names, stream
from tests.processes import own_lines

SETUP = """
import json, os, sys
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
import grain
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from llve_jax.errors import UserError
from llve_jax.io.checkpoint import Checkpoints
from llve_jax.job.agree import from_first
from llve_jax.job.shared_folder import shared_folder

port, me, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
jax.distributed.initialize(f"localhost:{port}", 2, me)
iterator = iter(grain.MapDataset.range(99).to_iter_dataset())
mesh = Mesh(np.array(jax.devices()), ("data",))
split = NamedSharding(mesh, PartitionSpec("data"))

def state(scale):
  values = scale * np.random.default_rng(0).normal(size=(8, 1000)).astype(np.float32)
  make = lambda index: values[index]
  return {"split": jax.make_array_from_callback(values.shape, split, make),
          "whole": jax.device_put(np.float32(scale), NamedSharding(mesh, PartitionSpec()))}
"""

SAVE = """
checkpoints = Checkpoints(folder)
for step in (1, 2):
  next(iterator)
  checkpoints.save(step, state(step), iterator, {"step": step})
checkpoints.close()
"""

RESTORE = """
checkpoints = Checkpoints(folder)
restored, memory = checkpoints.restore(state(0), iterator)
expected = state(memory["step"])
for name in expected:
  for found, wanted in zip(restored[name].addressable_shards, expected[name].addressable_shards):
    np.testing.assert_array_equal(found.data, wanted.data)
print(json.dumps([memory["step"], checkpoints.latest, int(next(iterator))]))
checkpoints.save(7, restored, iterator, {"step": 7})
checkpoints.close()
"""

BLIND = """
try:
  shared_folder(f"{folder}/{me}")
except UserError as error:
  print(json.dumps(str(error)))
def wrong():
  raise UserError("in the first process")
try:
  from_first(wrong)
except UserError as error:
  print(json.dumps(str(error)))
print(json.dumps(from_first(lambda: {"who": me})))
"""


def run(code: str, folder: Path) -> list[list[str]]:
  """The lines that each of two processes prints."""
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    port = probe.getsockname()[1]
  processes = [
    subprocess.Popen(
      [sys.executable, "-c", SETUP + code, str(port), str(index), str(folder)],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
      env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    for index in (0, 1)
  ]
  try:
    results = [process.communicate(timeout=120) for process in processes]
  finally:
    for process in processes:
      process.kill()
  assert [process.returncode for process in processes] == [0, 0], results
  return [own_lines(out) for out, _ in results]


@pytest.mark.slow
def test_checkpoints_of_two_processes(tmp_path: Path) -> None:
  assert run(SAVE, tmp_path) == [[], []]
  assert names(tmp_path) == ["1", "2"]

  # One process restores what two have saved,
  values = np.random.default_rng(0).normal(size=(8, 1000)).astype(np.float32)
  target = {"split": jnp.zeros((8, 1000)), "whole": jnp.float32(0)}
  iterator = stream()
  checkpoints = Checkpoints(tmp_path)
  restored, memory = checkpoints.restore(target, iterator)
  assert memory == {"step": 2}
  np.testing.assert_array_equal(restored["split"], 2 * values)
  # and two what one has saved; but first they have to find that a file of the newest is damaged.
  for step in (3, 4):
    state = {"split": jnp.array(step * values), "whole": jnp.float32(step)}
    checkpoints.save(step, state, iterator, {"step": step})
  checkpoints.close()
  os.truncate(tmp_path / "4" / "state" / "_METADATA", 10)
  (first, *more), second = (lines for lines in run(RESTORE, tmp_path))
  assert first.startswith(f"{tmp_path / '4'}: damaged: state/_METADATA: expected")
  assert [json.loads(line) for line in more] == [[3, 3, 2]]
  assert [json.loads(line) for line in second] == [[3, 3, 2]]
  assert names(tmp_path) == ["3", "4.corrupt", "7"]


@pytest.mark.slow
def test_folders_that_are_not_the_same_and_errors_of_the_first_process(tmp_path: Path) -> None:
  for own, (blind, problem, value) in enumerate(run(BLIND, tmp_path)):
    assert f"{tmp_path}/{own}: not the same folder in all processes: [1] do not see" in blind
    assert json.loads(problem) == "in the first process"
    assert json.loads(value) == {"who": 0}
  assert names(tmp_path) == ["0"]
  assert names(tmp_path / "0") == []
