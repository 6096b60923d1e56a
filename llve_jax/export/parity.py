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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from llve_jax.errors import UserError
from llve_jax.export import planes
from llve_jax.export.probes import Probe
from llve_jax.methods.compiled import pure
from llve_jax.models.contract import Traits
from llve_jax.ops.frames import to_8_bit, to_unit
from llve_jax.zoo.trained import Trained

TOLERANCE = 1e-5
WORST_ROUNDING = 1e-3  # a quarter of an 8-bit step: what is more leaves the result undecided
# Of the fresh process. Those of this one are for JAX's XLA: another stops at flags that it does not
# know.
XLA_FLAGS = ""
ADVICE = "check that the installed versions of JAX and TensorFlow fit together"
STEP = 1 / 255  # what lies between two 8-bit values is rounded to either
LEAST_PSNR = {"float16": 50.0, "int8": 30.0}  # dB against the model
LEAST_PSNR_OF_JUMPS = 60.0  # dB, of all bits, where rounding lets a few pixels jump


@dataclasses.dataclass(frozen=True)
class Trial:
  """How far an export is from its model on one probe, in the units of the output.

  Attributes:
    name: of the probe.
    largest: absolute difference.
    mean: absolute difference.
    psnr: in dB, infinite where nothing differs.
    eight_bits: whether the outputs were rounded to 8 bits.
    rounding: the largest change of the model's own result when each weight moves by one unit in the
      last place: what float32 leaves undecided. Not measured of 8 bits.
  """

  name: str
  largest: float
  mean: float
  psnr: float
  eight_bits: bool = False
  rounding: float = 0.0

  @property
  def way(self) -> str:
    """How the frames went through the export, with which its name begins."""
    return self.name.partition(",")[0]

  @property
  def decided(self) -> bool:
    """Whether there is one result that an export can be held to.

    Statistics over a frame of a few pixels may stand on the rounding alone: then two compilations
    of the same program differ as a wrong one does.
    """
    return not self.rounding > WORST_ROUNDING


@dataclasses.dataclass(frozen=True)
class Parity:
  """How far an export is from its model.

  Attributes:
    trials: one for each probe.
    rounding: the largest of the trials that are decided, or of all if none is.
    precision: of the export.
    milliseconds: that the export takes for a frame, by the number of threads; may be empty.
    discontinuous: whether rounding lets a few pixels of the network's result jump, see `Traits`.
  """

  trials: tuple[Trial, ...]
  rounding: float
  precision: str = "float32"
  milliseconds: dict[str, float] = dataclasses.field(default_factory=dict)
  discontinuous: bool = False

  @property
  def largest(self) -> float:
    """The largest difference that counts and was not rounded; not a number if any is none."""
    return float(
      np.max(
        [trial.largest for trial in self.trials if self.counts(trial) and not trial.eight_bits]
      )
    )

  @property
  def allowed(self) -> float:
    """1e-5, unless rounding alone reaches that.

    It does not in a trained network (System A at full width: 1e-6). One that was hardly trained
    gives values far beyond [0, 1], whose rounding can be 3e-5; no two programs agree better.
    """
    return max(TOLERANCE, min(3 * self.rounding, WORST_ROUNDING))

  @property
  def criterion(self) -> str:
    """What is required, in words."""
    least = LEAST_PSNR.get(self.precision)
    if least is not None:
      return f"PSNR {least:g} dB at least"
    jumps = f", or PSNR {LEAST_PSNR_OF_JUMPS:g} dB at least" if self.discontinuous else ""
    return f"{self.allowed:.1e}{jumps}"

  def counts(self, trial: Trial) -> bool:
    """Whether a trial says something: it is decided, or none that went the same way is."""
    return trial.decided or not any(
      other.decided and other.way == trial.way for other in self.trials
    )

  def passes(self, trial: Trial) -> bool:
    """Whether a trial is near enough to the model for the type of the export."""
    if not self.counts(trial):
      return bool(np.isfinite(trial.largest))
    least = LEAST_PSNR.get(self.precision)
    if least is not None:
      return trial.psnr >= least
    if self.discontinuous and trial.psnr >= LEAST_PSNR_OF_JUMPS:
      return True
    return trial.largest <= self.allowed + STEP * trial.eight_bits

  def check(self, advice: str = ADVICE) -> None:
    """Refuses an export that differs from its model.

    Args:
      advice: what to do about it, if it has all bits.

    Raises:
      UserError: some difference is above what is allowed, or is not a number.
    """
    failed = [trial for trial in self.trials if not self.passes(trial)]
    if not failed:
      return
    worst = max(failed, key=lambda trial: np.nan_to_num(trial.largest, nan=np.inf))
    if self.precision != "float32":
      advice = "choose --precision=float32"
    raise UserError(
      f"the export differs from the network by {worst.largest:.3g}, PSNR {worst.psnr:.1f} dB, on "
      f"{worst.name} (allowed: {self.criterion}), so nothing was written; {advice}"
    )


def measure(
  network: Trained,
  exported: Path,
  runner: Path,
  probes: Sequence[Probe],
  precision: str = "float32",
) -> Parity:
  """Compares an export with its model.

  Args:
    network: the model.
    exported: what was written from it.
    runner: script `RUNNER EXPORTED INPUTS.npz OUTPUTS.npz` that applies the export to each input,
      whose name is that of `Probe.way`, behind its number and a blank; outputs have the same names,
      and "milliseconds N" are those of a frame with N threads.
    probes: what it is tried on.
    precision: of the export.

  Raises:
    UserError: the export does not run, or its output has another shape.
  """
  inputs = {f"{index} {probe.way}": probe.given for index, probe in enumerate(probes)}
  found = _run(runner, exported, inputs)
  times = {key.split()[1]: float(found[key]) for key in found if key.startswith("milliseconds ")}
  cpu = jax.local_devices(backend="cpu")[0]
  variables = jax.device_put(network.variables, cpu)
  moved = jax.device_put(_move_last_place(variables), cpu)
  model = jax.jit(pure(network.module))

  def expected(probe: Probe, weights: Any) -> np.ndarray:
    def run(clip: np.ndarray) -> np.ndarray:
      return np.asarray(model(weights, jax.device_put(clip, cpu), None, None)[0])

    return _through(probe, run, network.traits)

  trials = []
  for (key, given), probe in zip(inputs.items(), probes, strict=True):
    wanted = expected(probe, variables)
    if found[key].shape != wanted.shape:
      raise UserError(
        f"nothing was written, since the export turns {probe.way} {given.shape} into "
        f"{found[key].shape}, but the network turns them into {wanted.shape}"
      )
    trial = _compared(str(probe), found[key], wanted)
    if wanted.dtype != np.uint8:
      change = float(np.max(np.abs(wanted - expected(probe, moved))))
      trial = dataclasses.replace(trial, rounding=change)
    trials.append(trial)
  changes = [trial.rounding for trial in trials if trial.decided] or [
    trial.rounding for trial in trials
  ]
  return Parity(
    tuple(trials),
    float(np.max(changes)),
    precision,
    times,
    discontinuous=network.traits.discontinuous,
  )


def _through(probe: Probe, run: Callable[[np.ndarray], np.ndarray], traits: Traits) -> np.ndarray:
  """What the network makes of a probe, whichever way it goes through the export."""
  low, high = (np.float32(bound) for bound in traits.value_range)
  if probe.way == planes.WAY:
    clip = low + (high - low) * planes.clip_of(probe.given)
    return np.asarray(planes.planes_of(planes.frame_of(run(clip), traits)))
  if probe.way in ("serving_default", "next"):
    return run(probe.given)
  axis = 0 if probe.way == "frames" else 1
  clip = np.expand_dims(low + (high - low) * to_unit(probe.given), axis)
  return np.asarray(to_8_bit(run(clip).squeeze(axis)))


def _compared(name: str, found: np.ndarray, wanted: np.ndarray) -> Trial:
  eight_bits = wanted.dtype == np.uint8
  difference = np.abs(to_unit(found).astype(np.float64) - to_unit(wanted))
  with np.errstate(divide="ignore"):
    psnr = float(-10 * np.log10(np.mean(difference**2)))
  return Trial(name, float(np.max(difference)), float(np.mean(difference)), psnr, eight_bits)


def _move_last_place(variables: dict[str, Any]) -> dict[str, Any]:
  """Each weight times 1 +- 2^-23, at random."""
  random = np.random.default_rng(0)

  def move(leaf: jax.Array) -> np.ndarray:
    signs = random.choice(np.asarray([-1, 1], np.float32), leaf.shape)
    return np.asarray(leaf) * (1 + signs * np.float32(2**-23))

  return jax.tree.map(move, variables)


def _run(runner: Path, exported: Path, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  environment = {
    **os.environ,
    "CUDA_VISIBLE_DEVICES": "-1",
    "JAX_PLATFORMS": "cpu",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "XLA_FLAGS": XLA_FLAGS,
  }
  with tempfile.TemporaryDirectory() as folder:
    inputs, outputs = Path(folder, "inputs.npz"), Path(folder, "outputs.npz")
    np.savez(inputs, **given)  # type: ignore[arg-type]
    # -P: the runner's folder stays out of the path, where our module names would hide packages.
    command = [sys.executable, "-P", *map(str, (runner, exported, inputs, outputs))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
      with np.load(outputs) as results:
        return dict(results)
  # A traceback ends with its exception, whose message may take several lines.
  said = re.split(r"^(?=[\w.]*(?:Error|Exception)\b)", done.stderr, flags=re.MULTILINE)[-1].strip()
  raise UserError(
    "nothing was written, since the export does not run in a fresh process: "
    f"{said[-1000:] or f'exit code {done.returncode}'}"
  )
