"""Small checkpoints whose contents tell their step."""

from pathlib import Path

import grain
import jax
import jax.numpy as jnp
import numpy as np

from llve_jax.io.checkpoint import Checkpoints


def stream() -> grain.DatasetIterator:
  return iter(grain.MapDataset.range(100).seed(1).shuffle().repeat().to_iter_dataset())


TABLE = np.random.default_rng(0).normal(size=4096).astype(np.float32)  # too large to be inlined


def tree(scale: float = 1.0) -> dict:
  kernel = scale * jnp.arange(6.0).reshape(2, 3)
  return {"net": {"kernel": kernel, "table": scale * jnp.array(TABLE)}, "step": jnp.int32(7)}


def write(folder: Path, *steps: int) -> None:
  """Checkpoints with the step as scale of the tree, and as memory."""
  checkpoints = Checkpoints(folder, keep=len(steps))
  for step in steps:
    checkpoints.save(step, tree(step), stream(), {"step": step})
  checkpoints.close()


def read(folder: Path) -> int:
  """The step of the checkpoint that is restored."""
  checkpoints = Checkpoints(folder)
  restored, memory = checkpoints.restore(tree(0), stream())
  jax.tree.map(np.testing.assert_array_equal, restored, tree(memory["step"]))
  assert checkpoints.latest == memory["step"]
  checkpoints.close()
  return memory["step"]


def names(folder: Path) -> list[str]:
  return sorted(path.name for path in folder.iterdir())
