"""How steady a video is: flicker, frame-to-frame change, and error along the motion.

Clips are sRGB in [0, 1], [b, t, h, w, c]; brightness is on the scale 0 to 255, as the papers have
it. Arithmetic is float32 without matrix unit. `warping_error` and `frame_brightness` take 8-bit
frames and run on the host; `metrics.whole_clip` has what a report says of a clip.
"""

from collections.abc import Callable

import cv2
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from llve_jax.metrics.image import psnr, ssim
from llve_jax.shapes import Clip, Frame8, Frames8

Flow = Float[np.ndarray, "h w 2"]
FlowOf = Callable[[Frame8, Frame8], Flow]

_BT709 = (0.2126, 0.7152, 0.0722)
_LEAST_SIDE = 12  # pixels; what OpenCV's DIS needs


@jax.jit
def tpsnr(clip: Clip) -> Float[Array, "b"]:
  """PSNR in dB between each frame and the next, mean over time; for clips of a STATIC scene only.

  It asks for no target: a network that gives one grey frame for ever scores +inf, and so does any
  clip with two equal neighbours. Report it beside PSNR, never alone.

  Chen et al., "Seeing Motion in the Dark", ICCV 2019.

  Raises:
    ValueError: no clip of floats, or fewer than two frames.
  """
  return psnr(*_neighbours("tpsnr", clip))


@jax.jit
def tssim(clip: Clip) -> Float[Array, "b"]:
  """SSIM (TensorFlow's convention) between each frame and the next; otherwise as `tpsnr`."""
  return ssim(*_neighbours("tssim", clip))


@jax.jit
def tmae(clip: Clip) -> Float[Array, "b"]:
  """100 times the mean absolute difference of neighbouring frames; otherwise as `tpsnr`.

  0 where nothing changes. The scale is percent of the range [0, 1].
  """
  before, after = _neighbours("tmae", clip)
  return 100.0 * jnp.mean(jnp.abs(after - before), axis=(1, 2, 3, 4))


def brightness(clip: Float[Array, "*b h w 3"]) -> Float[Array, "*b h w"]:
  """0.2126 R + 0.7152 G + 0.0722 B of the gamma-encoded values, on the scale 0 to 255.

  Raises:
    ValueError: no floats, or other than three channels.
  """
  if clip.shape[-1] != 3 or not jnp.issubdtype(clip.dtype, jnp.floating):
    raise ValueError(f"brightness takes float RGB in [0, 1], got {clip.dtype} {clip.shape}")
  clip = jnp.asarray(clip, jnp.float32)
  red, green, blue = _BT709
  return 255.0 * (red * clip[..., 0] + green * clip[..., 1] + blue * clip[..., 2])


@jax.jit
def mabd(clip: Float[Array, "b t h w 3"]) -> Float[Array, "b t-1"]:
  """Mean absolute brightness difference: mean over pixels of |brightness(t + 1) - brightness(t)|.

  One number per pair of neighbouring frames, on the scale 0 to 255. It grows with flicker, and also
  with motion: compare it to the target's, as `mse_mabd` does.

  Jiang and Zheng, "Learning to See Moving Objects in the Dark", ICCV 2019.

  Raises:
    ValueError: no clip of float RGB, or fewer than two frames.
  """
  before, after = _neighbours("mabd", clip)
  return jnp.mean(jnp.abs(brightness(after) - brightness(before)), axis=(-2, -1))


@jax.jit
def mse_mabd(
  pred: Float[Array, "b t h w 3"], target: Float[Array, "b t h w 3"]
) -> Float[Array, "b"]:
  """Mean over time of the squared difference between the two clips' `mabd`.

  Tables give it in thousandths; this is the number itself.

  Raises:
    ValueError: as `mabd`, or the shapes differ.
  """
  _same_shape("mse_mabd", pred, target)
  return jnp.mean(jnp.square(mabd(pred) - mabd(target)), axis=-1)


def mabd_usc(clip: Float[Array, "b t h w 3"], *, absolute: bool = False) -> Float[Array, "b t"]:
  """What a published program computes under the name MABD. It does not measure flicker.

  The program of "Low Light Video Enhancement" (a 3-D U-Net on SMOID) takes the difference along the
  last axis of [t, h, w], which is columns, not time, and no absolute value: what remains is (mean
  of the last column - mean of the first) / (w - 1) of each frame. Here to reproduce its tables;
  never compare it with `mabd`.

  Args:
    clip: sRGB in [0, 1], two columns at least.
    absolute: as in the copy that came with its MBLLVEN baseline, which takes absolute values of the
      same differences.
  """
  rows = brightness(clip)
  difference = rows[..., 1:] - rows[..., :-1]
  return jnp.mean(jnp.abs(difference) if absolute else difference, axis=(-2, -1))


def mse_mabd_usc(
  pred: Float[Array, "b t h w 3"], target: Float[Array, "b t h w 3"], *, absolute: bool = False
) -> Float[Array, "b"]:
  """Mean over frames of the squared difference between the two clips' `mabd_usc`.

  Raises:
    ValueError: the shapes differ, or no float RGB.
  """
  _same_shape("mse_mabd_usc", pred, target)
  difference = mabd_usc(pred, absolute=absolute) - mabd_usc(target, absolute=absolute)
  return jnp.mean(jnp.square(difference), axis=-1)


@jax.jit
def brightness_flicker(
  pred: Float[Array, "b t h w 3"], target: Float[Array, "b t h w 3"]
) -> Float[Array, "b"]:
  """Variance over time of the mean brightness of the prediction minus that of the target.

  In (0 to 255) squared. A constant offset costs nothing, nor does a scene that truly flickers; 0
  for clips of one frame. It follows the idea of AB(Var) (average brightness variance; Lv et al.,
  "MBLLEN", BMVC 2018), which compares the variances themselves.

  Raises:
    ValueError: the shapes differ, or no float RGB.
  """
  _same_shape("brightness_flicker", pred, target)
  difference = jnp.mean(brightness(pred), (-2, -1)) - jnp.mean(brightness(target), (-2, -1))
  return jnp.var(difference, axis=-1)


def dis_flow(first: Frame8, second: Frame8) -> Flow:
  """Dense optical flow in pixels (x, y): what is at p in `first` is at p + flow(p) in `second`.

  Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016, as OpenCV has it with
  its preset MEDIUM, on the grey frames. On dark frames it sees mostly noise: take the target's.

  Raises:
    ValueError: a side is shorter than 12 pixels.
  """
  if min(first.shape[:2]) < _LEAST_SIDE:
    raise ValueError(f"optical flow needs {_LEAST_SIDE} x {_LEAST_SIDE} pixels, got {first.shape}")
  search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
  grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second)]
  return np.asarray(search.calc(grey[0], grey[1], None), np.float32)  # type: ignore[call-overload]


def visible(forward: Flow, backward: Flow) -> Bool[np.ndarray, "h w"]:
  """Where the flow from one frame to the next can be believed.

  Not so where the way there and back does not end near its start (occlusion), where the flow jumps
  (motion boundary), or where it leaves the frame. The first two after Sundaram et al., "Dense point
  trajectories by GPU-accelerated large displacement optical flow", ECCV 2010, with the constants of
  Ruder et al., "Artistic style transfer for videos", GCPR 2016.
  """
  back = _fetch(backward, forward)
  forward_size, back_size = _squared_norm(forward), _squared_norm(back)
  occluded = _squared_norm(forward + back) > 0.01 * (forward_size + back_size) + 0.5
  # The last column and row have no neighbour to jump to.
  jump = sum(
    _squared_norm(np.diff(forward, axis=axis, append=np.take(forward, [-1], axis=axis)))
    for axis in (0, 1)
  )
  boundary = jump > 0.01 * forward_size + 0.002
  x, y = _destination(forward)
  height, width = x.shape
  inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
  return inside & ~occluded & ~boundary


def warping_error(pred: Frames8, guide: Frames8, *, flow: FlowOf = dis_flow) -> float:
  """Mean squared change of `pred` along the motion that `guide` shows; values as in [0, 1].

  For each pair of neighbouring frames, E(t) = sum_p M(p) |pred(t+1, p + F(p)) - pred(t, p)|^2 /
  sum_p M(p), where F is the flow of the guide from t to t+1, M is `visible`, and |.|^2 is the mean
  over colours; then the mean over pairs. Pairs of which nothing is visible (a cut) are left out.
  Between pixels it interpolates bilinearly, at 1/32 pixel. A dark or blurred video scores low for
  being dark or blurred: report it beside PSNR.

  Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018. They take the flow of
  FlowNet2, so the figures of their tables are not to be compared with these.

  Args:
    pred: frames of one video.
    guide: as many and as large frames from which the flow is taken: the target, or, where there is
      none, the input.
    flow: as `dis_flow`.

  Returns:
    The error, 0 for perfect steadiness; NaN where no pair shows anything.

  Raises:
    ValueError: the shapes differ, fewer than two frames, or frames too small for `flow`.
  """
  if pred.shape != guide.shape or len(pred) < 2:
    raise ValueError(
      f"expected two clips of one size, of two frames or more; got {pred.shape} and {guide.shape}"
    )
  errors = []
  for index in range(len(pred) - 1):
    here, there = guide[index], guide[index + 1]
    forward = flow(here, there)
    mask = visible(forward, flow(there, here))
    first, second = (frame.astype(np.float32) / 255.0 for frame in pred[index : index + 2])
    change = np.square(_fetch(second, forward) - first).mean(axis=-1)
    if mask.any():
      errors.append(float(change[mask].mean(dtype=np.float64)))
  return float(np.mean(errors)) if errors else float("nan")


def frame_brightness(frames: Frames8) -> Float[np.ndarray, "t"]:
  """Mean `brightness` of each 8-bit frame, 0 to 255; float64, on the host, a frame at a time."""
  means = np.stack([frame.mean(axis=(0, 1), dtype=np.float64) for frame in frames])
  return means @ np.asarray(_BT709)


def _neighbours(name: str, clip: Array) -> tuple[Array, Array]:
  if clip.ndim != 5 or clip.shape[1] < 2:
    raise ValueError(f"{name}: expected [b, t, h, w, c] with two frames or more, got {clip.shape}")
  if not jnp.issubdtype(clip.dtype, jnp.floating):
    raise ValueError(f"{name}: expected floats in [0, 1], got {clip.dtype}; divide by 255 first")
  clip = jnp.asarray(clip, jnp.float32)
  return clip[:, :-1], clip[:, 1:]


def _same_shape(name: str, pred: Array, target: Array) -> None:
  if pred.shape != target.shape:
    raise ValueError(f"{name}: prediction {pred.shape} and target {target.shape} differ in shape")


def _destination(flow: Flow) -> tuple[np.ndarray, np.ndarray]:
  y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
  return x + flow[..., 0], y + flow[..., 1]


def _fetch(values: np.ndarray, flow: Flow) -> np.ndarray:
  """values(p + flow(p)); outside the frame the nearest pixel."""
  x, y = _destination(flow)
  return cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _squared_norm(flow: Flow) -> np.ndarray:
  return np.square(flow[..., 0]) + np.square(flow[..., 1])
