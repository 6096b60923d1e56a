"""An export equals the model, or it is refused.

The export runs in a fresh process, as it will elsewhere; the model runs in this one. Both run on
the CPU in float32: accelerators multiply with fewer bits unless told otherwise, and a wrong export
would hide in their rounding.
"""

import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float

from llve_jax.errors import UserError
from llve_jax.zoo.trained import Enhancer

Size = tuple[int, int, int, int]

# Odd sides, sides below every stride, several clips, several frames.
SIZES: tuple[Size, ...] = ((1, 1, 33, 47), (2, 1, 48, 31), (1, 2, 5, 3), (2, 2, 64, 64))
TOLERANCE = 1e-5


def probe(size: Size, seed: int) -> Float[np.ndarray, "b t h w 3"]:
  """Random clips that darken from right to left, so that not every pixel ends clipped."""
  noise = np.random.default_rng(seed).random((*size, 3), dtype=np.float32)
  exposure = np.geomspace(1 / 256, 1, size[3], dtype=np.float32)
  return noise * exposure[:, None]


def measure(
  enhancer: Enhancer, exported: Path, runner: Path, sizes: Sequence[Size] = SIZES
) -> dict[Size, float]:
  """The largest absolute difference between an export and its model, for each size.

  Args:
    enhancer: the model.
    exported: what was written from it.
    runner: script `RUNNER EXPORTED INPUTS.npz OUTPUTS.npz` that applies the export to each input.
    sizes: clips, frames, rows and columns of each trial.

  Raises:
    UserError: the export does not run; the message ends with the last line it said.
  """
  probes = {str(size): probe(size, seed) for seed, size in enumerate(sizes)}
  with tempfile.TemporaryDirectory() as folder:
    inputs, outputs = Path(folder, "inputs.npz"), Path(folder, "outputs.npz")
    np.savez(inputs, **probes)  # type: ignore[arg-type]
    _run(runner, exported, inputs, outputs)
    with np.load(outputs) as results:
      found = dict(results)

  cpu = jax.local_devices(backend="cpu")[0]
  model = dataclasses.replace(enhancer, variables=jax.device_put(enhancer.variables, cpu))
  differences = {}
  for size in sizes:
    expected = np.asarray(model(jax.device_put(probes[str(size)], cpu)))
    if found[str(size)].shape != expected.shape:
      raise UserError(
        f"{exported}: turns clips {(*size, 3)} into {found[str(size)].shape}, "
        f"but the network turns them into {expected.shape}"
      )
    differences[size] = float(np.max(np.abs(found[str(size)] - expected)))
  return differences


def check(differences: dict[Size, float], tolerance: float = TOLERANCE) -> None:
  """Refuses an export that differs from its model.

  Raises:
    UserError: some difference is above `tolerance`, or is not a number.
  """
  wrong = {size: value for size, value in differences.items() if not value <= tolerance}
  if wrong:
    size, value = max(wrong.items(), key=lambda item: np.nan_to_num(item[1], nan=np.inf))
    raise UserError(
      f"the export differs from the network by {value:.3g} on clips of {size_text(size)} "
      f"(allowed: {tolerance:g}), so nothing was written; check that the installed versions of JAX "
      "and TensorFlow fit together"
    )


def size_text(size: Size) -> str:
  """`2 x 1 x 48 x 31`."""
  return " x ".join(map(str, size))


def _run(runner: Path, exported: Path, inputs: Path, outputs: Path) -> None:
  environment = {
    **os.environ,
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Flags meant for JAX's XLA; another XLA stops at those that it does not know.
    "XLA_FLAGS": "",
  }
  # -P: the runner's folder stays out of the path, where our module names would hide packages.
  command = [sys.executable, "-P", *map(str, (runner, exported, inputs, outputs))]
  done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
  if done.returncode:
    last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
    raise UserError(f"{exported}: the export does not run in a fresh process: {last}")
