"""Two processes: what they agree on, and a save that fails in one of them."""

import json
from pathlib import Path

import pytest

from llve_jax.io.checkpoint import Checkpoints
from tests import processes
from tests.io.checkpoint_run import names, stream, tree

TIMEOUT = 6

# The one that fails does not leave before the other one has seen it, for want of a lifeline here.
SCRIPT = """
import errno, json, os, pathlib, resource, time
import grain
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from llve_jax.errors import UserError
from llve_jax.io import checkpoint
from llve_jax.io import checksums

me = int(os.environ["LLVE_PROCESS_ID"])
folder = pathlib.Path(os.environ["FOLDER"])
failing = int(os.environ["FAILING"])
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(os.environ["LLVE_COORDINATOR"], 2, me)
checkpoint._TIMEOUT = int(os.environ["TIMEOUT"])
split = NamedSharding(Mesh(np.array(jax.devices()), ("data",)), PartitionSpec("data"))
values = np.random.default_rng(0).normal(size=(2, 4096)).astype(np.float32)
state = {"x": jax.make_array_from_callback(values.shape, split, lambda index: values[index])}
iterator = iter(grain.MapDataset.range(9).to_iter_dataset())

found = checkpoint.Checkpoints._steps
if me == 1:
  checkpoint.Checkpoints._steps = lambda self: []  # NFS tells it later
checkpoints = checkpoint.Checkpoints(folder)
print(json.dumps([checkpoints.latest]))
checkpoint.Checkpoints._steps = found
checkpoints.save(1, state, iterator, {"by": me})
checkpoints.save(2, state, iterator, {"by": me})
checkpoints.save(2, state, iterator, {"again by": me})

def fail(*_, **__):
  raise OSError(errno.ENOSPC, "No space left on device")

if failing == me == 0:
  checksums.write = fail
elif failing == me:
  resource.setrlimit(resource.RLIMIT_FSIZE, (100, -1))
checkpoints.save(3, state, iterator, {"by": me})
begun = time.monotonic()
try:
  while time.monotonic() < begun + 20:
    checkpoints.check()
    time.sleep(0.05)
except UserError as error:
  print(json.dumps([str(error), time.monotonic() - begun]))
checkpoints.close()
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
mark = folder.parent / "seen"
mark.with_name(f"seen {me}").touch()
while not mark.with_name(f"seen {1 - me}").exists():
  time.sleep(0.05)
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("failing", "said"), [(0, "No space left on device"), (1, "File too la")])
def test_a_save_that_fails_in_one_process(tmp_path: Path, failing: int, said: str) -> None:
  folder = tmp_path / "c"
  checkpoints = Checkpoints(folder)
  checkpoints.save(1, tree(), stream(), {})
  checkpoints.close()
  environ = {"FOLDER": str(folder), "FAILING": str(failing), "TIMEOUT": str(TIMEOUT)}
  ended = processes.run(SCRIPT, 2, each=lambda _: environ)
  assert [one.code for one in ended] == [0, 0], ended
  latest, errors = [], []
  for one in ended:
    lines = processes.own_lines(one.out)
    latest += json.loads(lines[0])
    errors.append(json.loads(lines[1]))
  # What process 0 has listed holds for both: so both replace the memory of step 1.
  assert latest == [1, 1]
  own, seconds = errors[failing]
  assert f"the checkpoint of step 3 could not be written ({said}" in own
  assert "(steps 1, 2) remain usable" in own
  assert seconds < TIMEOUT / 2
  other, seconds = errors[1 - failing]
  assert "step 3 could not be written (another process could not write its part" in other
  assert seconds < TIMEOUT + 5
  assert set(names(folder)) >= {"1", "2"}
  assert "3" not in names(folder)
  # Process 0 alone has written what is said beside the arrays.
  for step, memory in (("1", {"by": 0}), ("2", {"again by": 0})):
    assert json.loads((folder / step / "run" / "run.json").read_text())["memory"] == memory
