"""Losses on how a clip changes with time."""

import jax.numpy as jnp

from llve_jax.losses.contract import Clip, Mask, PerClip, trusted, trusted_mean


def brightness_flicker(pred: Clip, target: Clip, *, mask: Mask | None = None) -> PerClip:
  """How much more the mean brightness jumps than it does in the target.

  |d mean(pred)/dt - d mean(target)/dt|, averaged over time and colour: a scene that truly flickers
  costs nothing, a constant offset costs nothing. Units: sRGB per frame. 0 for clips of one frame.
  With a mask, the means are over the trusted pixels of each frame; one without any is at offset 0.
  """
  pred, mask = trusted(pred, target, mask)
  offset = pred - target
  if mask is None:
    offset = jnp.mean(offset, axis=(2, 3))
  else:
    weight = jnp.sum(mask, axis=(2, 3))
    offset = jnp.sum(offset * mask, axis=(2, 3)) / jnp.where(weight > 0, weight, 1.0)
  if pred.shape[1] == 1:
    return jnp.zeros(pred.shape[0], pred.dtype)
  return jnp.mean(jnp.abs(jnp.diff(offset, axis=1)), axis=(1, 2))


def frame_difference(pred: Clip, target: Clip, *, mask: Mask | None = None) -> PerClip:
  """How differently every pixel changes from frame to frame: noise that boils, lag behind motion.

  Mean of |(p_{t+1} - p_t) - (y_{t+1} - y_t)|. What stays wrong by the same costs nothing.
  Units: sRGB per frame. 0 for clips of one frame. A change is trusted as much as the less trusted
  of its two frames.
  """
  pred, mask = trusted(pred, target, mask)
  if pred.shape[1] == 1:
    return jnp.zeros(pred.shape[0], pred.dtype)
  if mask is not None:
    mask = jnp.minimum(mask[:, 1:], mask[:, :-1])
  return trusted_mean(jnp.abs(jnp.diff(pred - target, axis=1)), mask)


# Those that compare a frame with the one before it.
ACROSS_FRAMES = (brightness_flicker, frame_difference)
