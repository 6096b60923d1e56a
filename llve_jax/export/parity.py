"""An export equals the model, or it is refused.

The export runs in a fresh process, as it will elsewhere; the model runs in this one. Both run on
the CPU in float32: accelerators multiply with fewer bits unless told otherwise, and a wrong export
would hide in their rounding.
"""

import dataclasses
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from llve_jax.errors import UserError
from llve_jax.methods.compiled import pure
from llve_jax.zoo.trained import Trained

Size = tuple[int, int, int, int]

# Odd sides, sides below every stride, several clips, several frames.
SIZES: tuple[Size, ...] = ((1, 1, 33, 47), (2, 1, 48, 31), (1, 2, 5, 3), (2, 2, 64, 64))
TOLERANCE = 1e-5
WORST_ROUNDING = 1e-3  # a quarter of an 8-bit step: what is more is no rounding


@dataclasses.dataclass(frozen=True)
class Parity:
  """How far an export is from its model.

  Attributes:
    differences: the largest absolute difference for each size, in the units of the output.
    rounding: the largest change of the model's own result when each weight moves by one unit in the
      last place: what float32 leaves undecided.
  """

  differences: dict[Size, float]
  rounding: float

  @property
  def largest(self) -> float:
    """The largest difference; not a number if any is none."""
    return float(np.max(list(self.differences.values())))

  @property
  def allowed(self) -> float:
    """1e-5, unless rounding alone reaches that.

    It does not in a trained network (System A at full width: 1e-6). One that was hardly trained
    gives values far beyond [0, 1], whose rounding can be 3e-5; no two programs agree better.
    """
    return max(TOLERANCE, min(3 * self.rounding, WORST_ROUNDING))

  def check(self) -> None:
    """Refuses an export that differs from its model.

    Raises:
      UserError: some difference is above what is allowed, or is not a number.
    """
    if not self.largest <= self.allowed:
      size = max(self.differences, key=lambda key: np.nan_to_num(self.differences[key], nan=np.inf))
      raise UserError(
        f"the export differs from the network by {self.largest:.3g} on clips of {size_text(size)} "
        f"(allowed: {self.allowed:.3g}), so nothing was written; check that the installed versions "
        "of JAX and TensorFlow fit together"
      )


def probe(size: Size, seed: int) -> Float[np.ndarray, "b t h w 3"]:
  """Random dark clips, from black at the left to 1/8 of the range at the right.

  Dark, since that is what the networks are for: brighter ones drive them far beyond [0, 1], where
  clipping hides what they compute.
  """
  noise = np.random.default_rng(seed).random((*size, 3), dtype=np.float32)
  exposure = np.linspace(0, 1 / 8, size[3] + 1, dtype=np.float32)[1:]
  return noise * exposure[:, None]


def measure(
  network: Trained, exported: Path, runner: Path, sizes: Sequence[Size] = SIZES
) -> Parity:
  """Compares an export with its model.

  Args:
    network: the model.
    exported: what was written from it.
    runner: script `RUNNER EXPORTED INPUTS.npz OUTPUTS.npz` that applies the export to each input.
    sizes: clips, frames, rows and columns of each trial.

  Raises:
    UserError: the export does not run, or its output has another shape.
  """
  probes = {str(size): probe(size, seed) for seed, size in enumerate(sizes)}
  with tempfile.TemporaryDirectory() as folder:
    inputs, outputs = Path(folder, "inputs.npz"), Path(folder, "outputs.npz")
    np.savez(inputs, **probes)  # type: ignore[arg-type]
    _run(runner, exported, inputs, outputs)
    with np.load(outputs) as results:
      found = dict(results)

  cpu = jax.local_devices(backend="cpu")[0]
  variables = jax.device_put(network.variables, cpu)
  moved = jax.device_put(_move_last_place(variables), cpu)
  model = jax.jit(pure(network.module))
  differences, changes = {}, []
  for size in sizes:
    clip = jax.device_put(probes[str(size)], cpu)
    expected = np.asarray(model(variables, clip, None, None)[0])
    if found[str(size)].shape != expected.shape:
      raise UserError(
        f"nothing was written, since the export turns clips {(*size, 3)} into "
        f"{found[str(size)].shape}, but the network turns them into {expected.shape}"
      )
    differences[size] = float(np.max(np.abs(found[str(size)] - expected)))
    changed = np.asarray(model(moved, clip, None, None)[0])
    changes.append(float(np.max(np.abs(expected - changed))))
  return Parity(differences, max(changes))


def _move_last_place(variables: dict[str, Any]) -> dict[str, Any]:
  """Each weight times 1 +- 2^-23, at random."""
  random = np.random.default_rng(0)

  def move(leaf: jax.Array) -> np.ndarray:
    signs = random.choice(np.asarray([-1, 1], np.float32), leaf.shape)
    return np.asarray(leaf) * (1 + signs * np.float32(2**-23))

  return jax.tree.map(move, variables)


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
    # A traceback ends with its exception, whose message may take several lines.
    said = re.split(r"^(?=[\w.]*(?:Error|Exception)\b)", done.stderr, flags=re.MULTILINE)[
      -1
    ].strip()
    raise UserError(
      "nothing was written, since the export does not run in a fresh process: "
      f"{said[-1000:] or f'exit code {done.returncode}'}"
    )
