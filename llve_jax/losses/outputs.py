"""Losses that see everything a network returns, the dark clip and the step.

Each is called `(outputs, batch, step) -> [b]`: the network's dictionary, with "clip"; the batch,
with "low" and, where it has targets, "high"; the optimiser steps taken so far.
"""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array

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
