"""What a report says of a whole clip of 8-bit frames, beside the scores of its frames.

Two frames at once are on the device; the rest runs on the host.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from llve_jax.metrics.temporal import (
  brightness,
  frame_brightness,
  mabd,
  tmae,
  tpsnr,
  tssim,
  warping_error,
)
from llve_jax.shapes import Clip, Frames8

# What `clip_scores` gives, and how a table explains it. Smaller is better, but the best `mabd` is
# the target's.
TEMPORAL_METRICS = {
  "mabd": "mean absolute brightness difference of neighbouring frames (0 to 255)",
  "mse_mabd": "mean squared error of that against the target's",
  "mse_mabd_usc": (
    "what System C's program calls so, in 1e-3: a gradient along columns, which is no flicker"
  ),
  "flicker": "variance over time of mean brightness minus the target's (0 to 255, squared)",
  "warp_err": "squared error along the target's DIS optical flow (0 to 1, squared)",
}
# What `static_scores` gives.
STATIC_METRICS = {
  "tpsnr": "PSNR of each frame and the next, dB; of still scenes alone, and asks for no target",
  "tssim": "SSIM of each frame and the next, likewise",
  "tmae": "mean absolute difference of each frame and the next, in percent, likewise",
}
CLIP_METRICS = TEMPORAL_METRICS | STATIC_METRICS


def clip_scores(pred: Frames8, target: Frames8) -> dict[str, float]:
  """Every one of `TEMPORAL_METRICS` for one clip.

  Raises:
    ValueError: as `warping_error`.
  """
  error = warping_error(pred, target)
  differences, means, gradients = [], [], []
  for frames in (pred, target):
    pairs = [mabd(_as_clip(frames[i : i + 2]))[0] for i in range(len(frames) - 1)]
    differences.append(np.concatenate(pairs))
    means.append(frame_brightness(frames))
    gradients.append(_column_gradient(frames))
  return {
    "mabd": float(differences[0].mean()),
    "mse_mabd": float(np.square(differences[0] - differences[1]).mean()),
    "mse_mabd_usc": 1e3 * float(np.square(gradients[0] - gradients[1]).mean()),
    "flicker": float(np.var(means[0] - means[1])),
    "warp_err": error,
  }


def static_scores(frames: Frames8) -> dict[str, float]:
  """Every one of `STATIC_METRICS` for the frames of a scene that holds still.

  Raises:
    ValueError: fewer than two frames.
  """
  if len(frames) < 2:
    raise ValueError(f"expected two frames or more of a still scene, got {len(frames)}")
  metrics = {"tpsnr": tpsnr, "tssim": tssim, "tmae": tmae}
  pairs = [_as_clip(frames[i : i + 2]) for i in range(len(frames) - 1)]
  return {
    name: float(np.mean([metric(pair)[0] for pair in pairs])) for name, metric in metrics.items()
  }


def _column_gradient(frames: Frames8) -> Float[np.ndarray, "t"]:
  """`temporal.mabd_usc`, of whose differences only the outermost columns are left."""
  columns = np.asarray(brightness(jnp.asarray(frames[:, :, [0, -1]], jnp.float32) / 255.0))
  return (columns[..., 1] - columns[..., 0]).mean(axis=-1) / max(frames.shape[2] - 1, 1)


def _as_clip(frames: Frames8) -> Clip:
  return jnp.asarray(frames[None], jnp.float32) / 255.0
