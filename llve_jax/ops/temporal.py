"""Denoising along time: a recursive average that forgets where the picture changes.

It stands in for V-BM4D (Maggioni et al., "Video Denoising, Deblocking, and Enhancement Through
Separable 4-D Nonlocal Spatiotemporal Transforms", IEEE TIP 2012), which prepared the inputs of Chen
et al., "Seeing Motion in the Dark", ICCV 2019, and for which there is no maintained package.
Results are not comparable across denoisers, so a data set records which one it was made with
(`RECURSIVE`).

Units: frames are proportional to light in any scale, not clipped at black; noise levels are in the
same scale. The variance of a pixel of mean x is `shot_noise * x + read_noise**2`, as in
`llve_jax.ops.degrade`. The camera stands still: nothing is aligned.
"""

import dataclasses
from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from jaxtyping import Float

from llve_jax.errors import UserError

RECURSIVE = "recursive_average"
_SMALLEST_NOISE = 1e-6  # float32 rounds sums of numbers below 1 finer than this
_DOUBTS = 3.0  # standard deviations by which a statistic may exceed its mean before it means change


@dataclasses.dataclass(frozen=True, eq=False)
class Past:
  """What is known after some frames.

  Attributes:
    mean: the denoised last frame.
    weight: how many frames `mean` averages at each pixel; its variance is that of a frame divided
      by this.
  """

  mean: Float[np.ndarray, "h w c"]
  weight: Float[np.ndarray, "h w"]


def denoise_stream(
  frames: Iterable[Float[np.ndarray, "h w c"]],
  *,
  shot_noise: float,
  read_noise: float,
  strength: float = 1.0,
  memory: float = 32.0,
  window: float = 1.5,
) -> Iterator[Float[np.ndarray, "h w c"]]:
  """Yields every frame denoised as soon as it is read, holding two, however many there are.

  What is yielded is needed for the next frame: copy it before writing into it. Arguments and errors
  as those of `denoise_frame`.
  """
  past = None
  for frame in frames:
    past = denoise_frame(
      frame,
      past,
      shot_noise=shot_noise,
      read_noise=read_noise,
      strength=strength,
      memory=memory,
      window=window,
    )
    yield past.mean


def denoise_frame(
  frame: Float[np.ndarray, "h w c"],
  past: Past | None,
  *,
  shot_noise: float,
  read_noise: float,
  strength: float = 1.0,
  memory: float = 32.0,
  window: float = 1.5,
) -> Past:
  """Averages a frame with the past, as far as the past still shows the same.

  With past mean y of weight m, the frame x gives w = exp(-excess / 2), y' = (w m y + x) / (w m + 1)
  and m' = min(w m + 1, memory): where nothing changes (w = 1) that is the plain mean of all frames
  until `memory` is reached and an exponential one from then on; where all changes (w = 0) it starts
  anew. `excess` is by how much x - y is larger than noise alone makes it (see `_excess`).

  Args:
    frame: the new frame.
    past: what the frame before it returned; None at the start of a clip.
    shot_noise: variance per light, see above.
    read_noise: standard deviation of the noise in the dark.
    strength: factor on the noise variance that is taken for granted. Above 1 more noise is removed,
      and faint motion leaves traces.
    memory: most frames that are averaged, at least 1.
    window: standard deviation of the Gaussian, in pixels, over which the change is judged: noise of
      one pixel does not close the gate, but noise stays around what moves.

  Returns:
    The new past; its `mean` is the denoised frame.

  Raises:
    UserError: the frame is not floating [h, w, 1..9], not of the past's size, or a parameter is out
      of range.
  """
  if not np.issubdtype(frame.dtype, np.floating) or frame.ndim != 3 or not 1 <= frame.shape[2] <= 9:
    raise UserError(f"expected floating [h, w, 1 to 9], found {frame.dtype} {frame.shape}")
  if min(shot_noise, read_noise) < 0 or strength <= 0 or memory < 1 or window <= 0:
    raise UserError(
      "expected noise from 0, strength and window above 0 and memory from 1, found "
      f"shot_noise {shot_noise}, read_noise {read_noise}, strength {strength}, window {window}, "
      f"memory {memory}"
    )
  frame = frame.astype(np.float32)
  if past is None:
    return Past(frame, np.ones(frame.shape[:2], np.float32))
  if frame.shape != past.mean.shape:
    raise UserError(f"expected frames of one size, found {frame.shape} after {past.mean.shape}")
  excess = _excess(frame, past, shot_noise * strength, read_noise**2 * strength, window)
  weight = past.weight * np.exp(-excess / 2)
  mean = past.mean + (frame - past.mean) / (weight + 1)[..., None]
  return Past(mean, np.minimum(weight + 1, np.float32(memory)))


def _excess(
  frame: Float[np.ndarray, "h w c"], past: Past, shot: float, dark_variance: float, window: float
) -> Float[np.ndarray, "h w"]:
  """How far two statistics of the difference d to the past are beyond what noise explains.

  Both are measured in the window around each pixel. The square of the mean of d, over its variance,
  summed over channels, is chi-squared with c degrees of freedom if there is only noise; it sees
  faint changes of brightness. The mean of d**2 over its variance is 1 if there is only noise; it
  sees moving texture, whose mean does not change.
  """
  kernel = _gaussian(window)
  channels = frame.shape[2]
  inside = _smooth(np.ones(frame.shape[:2], np.float32), kernel)
  squares_inside = _smooth(np.ones(frame.shape[:2], np.float32), kernel**2)
  spread = 1 + 1 / past.weight
  coherent = np.zeros(frame.shape[:2], np.float32)
  energy = np.zeros_like(coherent)
  energy_variance = np.zeros_like(coherent)
  for channel in range(channels):
    new, old = frame[..., channel], past.mean[..., channel]
    difference = new - old
    light = (past.weight * old + new) / (past.weight + 1)
    # One pixel is too noisy to tell its own noise level: in the dark most catch no electron at all.
    around = np.maximum(_smooth(light, kernel) / inside, 0)
    variance = dark_variance + shot * np.maximum(light, around) + _SMALLEST_NOISE**2
    mean = _smooth(difference, kernel)
    coherent += mean**2 / _smooth(variance * spread, kernel**2)
    energy += difference**2 / (variance * spread)
    # Fourth moment of Poisson noise: in the dark a single electron is a rare, large value.
    energy_variance += 2 + shot**3 * around / variance**2
  energy = _smooth(energy, kernel) - channels * inside
  deviation = np.sqrt(energy_variance * squares_inside)
  return np.maximum(
    0,
    np.maximum(
      coherent - channels - _DOUBTS * np.sqrt(2 * channels),
      energy / deviation - _DOUBTS,
    ),
  ).astype(np.float32)


def _gaussian(deviation: float) -> Float[np.ndarray, "k"]:
  """A Gaussian up to three standard deviations that sums to 1."""
  radius = int(np.ceil(3 * deviation))
  kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / deviation) ** 2)
  return (kernel / kernel.sum()).astype(np.float32)


def _smooth(
  plane: Float[np.ndarray, "h w"], kernel: Float[np.ndarray, "k"]
) -> Float[np.ndarray, "h w"]:
  """Sums `plane` over a separable window; there is nothing beyond the border.

  Not mirrored: a pixel that counts twice makes the sum noisier than its variance here says.
  """
  return cv2.sepFilter2D(plane, -1, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
