"""Losses that see everything a network returns, the dark clip and the step.

Each is called `(outputs, batch, step) -> [b]`: the network's dictionary, with "clip"; the batch,
with "low" and, where it has targets, "high"; the optimiser steps taken so far.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.losses import region
from llve_jax.losses.contract import PerClip
from llve_jax.losses.pixel import edge, l2
from llve_jax.losses.zero_reference import zero_dce as zero_dce_loss

_ANNEAL_WEIGHT = 100.0
_ANNEAL_RATE = 0.9998

Outputs = Mapping[str, Array]


def zero_dce(outputs: Outputs, batch: Outputs, step: Array) -> PerClip:
  """`zero_reference.zero_dce` of the network's curves: no target is needed."""
  del step
  return zero_dce_loss(outputs["clip"], batch["low"], outputs["curves"])


def zero_dce_released(outputs: Outputs, batch: Outputs, step: Array) -> PerClip:
  """The same as the released program has it."""
  del step
  return zero_dce_loss(outputs["clip"], batch["low"], outputs["curves"], released=True)


def kpn_burst(outputs: Outputs, batch: Outputs, step: Array) -> PerClip:
  """100 * 0.9998^step * the mean over the burst of l2 + edge of each frame filtered by itself.

  Mildenhall et al., "Burst Denoising with Kernel Prediction Networks", CVPR 2018, Eq 9: it keeps
  the network from looking at the reference frame only, and fades out.
  """
  frames, target = outputs["burst"], batch["high"]
  count = frames.shape[2]
  each = [
    l2(frames[:, :, index], target) + edge(frames[:, :, index], target) for index in range(count)
  ]
  factor = _ANNEAL_WEIGHT * jnp.float32(_ANNEAL_RATE) ** step.astype(jnp.float32)
  return factor * jnp.mean(jnp.stack(each), axis=0)


def half_l2(outputs: Outputs, batch: Outputs, step: Array) -> PerClip:
  """l2 between the network's `half` and the target brought to that size: System B's program.

  The target is resized bilinearly with aligned corners.

  Raises:
    ValueError: the network gives no `half`.
  """
  del step
  if "half" not in outputs:
    raise ValueError(
      "half_l2 compares what a network computes at half the size; this one gives "
      f"{', '.join(sorted(outputs))} (conv_lstm has it with form=released)"
    )
  half = outputs["half"]
  return l2(half, _aligned(batch["high"], half.shape[2], half.shape[3]))


def region_input(outputs: Outputs, batch: Outputs, step: Array) -> PerClip:
  """`region.region_input`: dark is what the network was given in the dark."""
  del step
  return region.region_input(outputs["clip"], batch["high"], batch["low"], mask=batch.get("mask"))


def _aligned(
  clip: Float[Array, "b t h w c"], height: int, width: int
) -> Float[Array, "b t height width c"]:
  """Bilinear resizing that keeps the outermost samples in place, as PyTorch's align_corners."""
  steps = [
    (before - 1) / max(after - 1, 1) or 1.0
    for before, after in zip(clip.shape[2:4], (height, width), strict=True)
  ]
  scale = jnp.asarray([1 / each for each in steps], clip.dtype)
  shift = jnp.asarray([0.5 - 0.5 / each for each in steps], clip.dtype)
  shape = (*clip.shape[:2], height, width, clip.shape[4])
  return jax.image.scale_and_translate(clip, shape, (2, 3), scale, shift, "linear", antialias=False)
