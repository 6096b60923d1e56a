"""A few steps of every kind on made-up clips, on any mesh: what test_parallel compares.

As a program it is one process of several, with LLVE_* of docs/LAUNCH.md set:
`python -m tests.parallel_run STEP[:ROWS] ...`. Process 0 prints the losses as one line of JSON.
"""

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Sequence

import jax
import numpy as np
from ml_collections import ConfigDict

from experiments.configs import enlighten_gan, mbllen, recurrent_unet, smid, turntable_gan
from experiments.run.assemble import Run
from experiments.run.compiled_steps import Programs
from llve_jax.data import sharding
from llve_jax.job import hosts
from llve_jax.train import mesh

STEPS = 20
BATCH = 8
HEIGHT = 30  # which two devices share, and four only with what is filled up


def turntable() -> ConfigDict:
  """Batch norm in the generator, two phases."""
  config = turntable_gan.get_config("smoke")
  config.model.kwargs.widths = config.critics.critic.kwargs.widths = (4,)
  for phase in config.phases.values():
    phase.loss.update(vgg16=0.0, cobi_vgg16=0.0, ssim=0.1)
  config.phases.gan.until = 0.5
  return config


def enlighten() -> ConfigDict:
  config = enlighten_gan.get_config("smoke")
  config.step.options.weights = ConfigDict({"global": 1.0, "local": 1.0})
  config.model.kwargs.widths = (4,)
  for critic in config.critics.values():
    critic.kwargs.layers = 1
  return config


def mbllen_l1() -> ConfigDict:
  config = mbllen.get_config("smoke")
  config.model.kwargs.update(features=4, depth=1, width=2)
  config.phases.all.loss = ConfigDict({"l1": 1.0})
  return config


def smid_pairs() -> ConfigDict:
  config = smid.get_config("smoke")
  config.model.kwargs.widths = (4, 6)
  return config


def recurrent() -> ConfigDict:
  """Two chunks, and what compares frames."""
  config = recurrent_unet.get_config("smoke")
  config.model.kwargs.update(widths=(4, 4), blocks=(0, 1), decoder_blocks=(0,))
  config.phases.all.loss = ConfigDict({"charbonnier": 1.0, "frame_difference": 4.0})
  return config


CONFIGS: dict[str, Callable[[], ConfigDict]] = {
  "supervised": mbllen_l1,
  "paired_gan": turntable,
  "unpaired_gan": enlighten,
  "siamese": smid_pairs,
  "temporal": recurrent,
}


def made_up(shape: Sequence[int], scale: int, number: int) -> dict[str, np.ndarray]:
  """The global batch of a step: coarse patterns, dark and bright."""
  random = np.random.default_rng(number)
  count, frames, height, width, channels = shape
  coarse = random.random((count, frames, -(-height // 4), -(-width // 4), 3))
  fine = np.repeat(np.repeat(coarse, 4 * scale, axis=2), 4 * scale, axis=3)
  high = fine[:, :, : height * scale, : width * scale]
  high = np.clip(high + 0.02 * random.standard_normal(high.shape), 0, 1).astype(np.float32)
  low = np.concatenate([high[:, :, ::scale, ::scale]] * 4, axis=-1)[..., :channels]
  return {"low": np.ascontiguousarray(0.2 * low), "high": high}


def losses(
  name: str, devices: Sequence[jax.Device], *, rows: int = 1, parameters: str = "replicated"
) -> list[dict[str, float]]:
  """The scalars of every step."""
  config = CONFIGS[name]()
  config.train.steps = STEPS
  config.data.update(batch=BATCH, crop=HEIGHT, crop_width=24)
  config.mesh.update(rows=rows, parameters=parameters)
  run = Run(config)
  on = mesh.make_mesh(devices, rows=rows)
  shape = (BATCH, config.data.frames, *run.input_shape[2:])
  part, parts = mesh.share(on)
  own = slice(part * BATCH // parts, (part + 1) * BATCH // parts)

  def local(number: int) -> dict[str, np.ndarray]:
    whole = made_up(shape, run.traits.scale, number)
    return {key: clip[own] for key, clip in whole.items()}

  placement = mesh.batch_sharding(on)
  shapes = sharding.global_shapes(local(0), placement, parts=parts)
  programs = Programs(run, on, shapes, shape[2])
  fresh = dataclasses.replace(programs.placement, frozen=())
  state = mesh.create_on(on, run.init, fresh)
  frozen = jax.device_put(run.frozen, mesh.replicated(on))
  state = dataclasses.replace(state, frozen=frozen)
  found = []
  for step in range(STEPS):
    batch = sharding.global_batch(local(step), placement, parts=parts)
    state, scalars = programs(step)(state, batch)
    found.append({key: float(value) for key, value in scalars.items()})
  return found


def main() -> None:
  with hosts.joined(hosts.find_cluster(os.environ)):
    found = {}
    for asked in sys.argv[1:]:
      name, _, rows = asked.partition(":")
      found[asked] = losses(name, jax.devices(), rows=int(rows or 1))
    if hosts.is_writer():
      print(json.dumps(found), flush=True)


if __name__ == "__main__":
  main()
