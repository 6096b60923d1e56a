"""PSNR and SSIM of frames. Values are sRGB in [0, 1], so the peak value is 1.

Programs that print "SSIM" do not all compute the same number. Each convention has a name here:
`ssim` (TensorFlow's), `ssim_matlab` (its authors'), `ssim_skimage` (scikit-image's default).

All arithmetic is float32, also on matrix units, so a GPU or TPU gives the same value as a CPU.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.ops import similarity
from llve_jax.ops.similarity import MS_SSIM_SIDE, SSIM_WINDOW, ssim_maps

_MATLAB_GREY = (0.298936, 0.587043, 0.114021)  # rgb2gray: luma of NTSC (1953) primaries
_UNIFORM = 7  # pixels, scikit-image's default window


@jax.jit
def psnr(pred: Float[Array, "*b h w c"], target: Float[Array, "*b h w c"]) -> Float[Array, "b"]:
  """Peak signal-to-noise ratio in dB: -10 log10 of the mean squared error of a frame.

  The error is taken over all pixels and channels of one frame. Frames [b, h, w, c] give [b]; clips
  [b, t, h, w, c] give [b], the mean over t of the per-frame value. Identical frames give +inf, and
  so does any mean that contains one. Neither argument is clipped.

  Raises:
    ValueError: shapes differ, the rank is neither 4 nor 5, or the values are no floats.
  """
  pred, target = _as_frames("psnr", pred, target)
  error = jnp.mean(jnp.square(pred - target), axis=(-3, -2, -1))
  return _mean_over_time(-10.0 * jnp.log10(error))


@jax.jit
def ssim(pred: Float[Array, "*b h w c"], target: Float[Array, "*b h w c"]) -> Float[Array, "b"]:
  """Structural similarity in TensorFlow's convention; 1 for identical frames.

  11 x 11 Gaussian window of sigma 1.5, no padding, k1 0.01, k2 0.03, per channel and then the mean
  over channels. Frames [b, h, w, c] give [b]; clips [b, t, h, w, c] give [b], the mean over t.
  Differentiable, also on flat frames. Accurate to about 1e-6; `tf.image.ssim` computes the same in
  a way that may itself be off by 1e-4 on large or flat frames.

  Wang et al., "Image quality assessment: from error visibility to structural similarity",
  IEEE TIP 2004, Eq 13.

  Raises:
    ValueError: as `psnr`, or a side is shorter than the window.
  """
  pred, target = _as_frames("ssim", pred, target, SSIM_WINDOW)
  return _mean_over_time(jnp.mean(ssim_maps(pred, target)[0], axis=(-3, -2, -1)))


@jax.jit
def ssim_matlab(
  pred: Float[Array, "*b h w 3"], target: Float[Array, "*b h w 3"]
) -> Float[Array, "b"]:
  """SSIM as its authors' MATLAB program `ssim_index.m` has it: on grey; otherwise as `ssim`.

  Grey is MATLAB's `rgb2gray` of the floats, not rounded to whole numbers as it is for 8-bit images.
  The frame is not made smaller first, which the authors advise for large ones, and this is not
  MATLAB's own function `ssim`, which pads. Frames of one channel are taken as grey.

  Raises:
    ValueError: as `ssim`, or neither one nor three channels.
  """
  pred, target = _as_frames("ssim_matlab", pred, target, SSIM_WINDOW)
  if pred.shape[-1] not in (1, 3):
    raise ValueError(f"ssim_matlab: expected RGB or grey, got shape {pred.shape}")
  if pred.shape[-1] == 3:
    pred, target = _matlab_grey(pred), _matlab_grey(target)
  return _mean_over_time(jnp.mean(ssim_maps(pred, target)[0], axis=(-3, -2, -1)))


@jax.jit
def ssim_skimage(
  pred: Float[Array, "*b h w c"], target: Float[Array, "*b h w c"]
) -> Float[Array, "b"]:
  """SSIM as scikit-image's `structural_similarity` has it by default, with `channel_axis=-1`.

  7 x 7 window of equal weights, sample covariance (divided by 48, not 49), no padding, per channel
  and then the mean; `data_range` is 1. Otherwise as `ssim`.

  Raises:
    ValueError: as `ssim`; the window is 7 pixels.
  """
  pred, target = _as_frames("ssim_skimage", pred, target, _UNIFORM)
  count = _UNIFORM**2
  window = (1.0 / _UNIFORM,) * _UNIFORM
  maps, _ = ssim_maps(pred, target, window=window, covariance_scale=count / (count - 1))
  return _mean_over_time(jnp.mean(maps, axis=(-3, -2, -1)))


@jax.jit
def ms_ssim(pred: Float[Array, "*b h w c"], target: Float[Array, "*b h w c"]) -> Float[Array, "b"]:
  """Multi-scale SSIM in TensorFlow's convention (`tf.image.ssim_multiscale`), five scales.

  Frames [b, h, w, c] give [b]; clips give the mean over t. Wang et al., "Multiscale structural
  similarity for image quality assessment", Asilomar 2003.

  Raises:
    ValueError: as `ssim`; a side is shorter than 176 pixels.
  """
  pred, target = _as_frames("ms_ssim", pred, target, MS_SSIM_SIDE)
  return _mean_over_time(similarity.ms_ssim(pred, target))


def _matlab_grey(rgb: Array) -> Array:
  red, green, blue = _MATLAB_GREY
  return red * rgb[..., 0:1] + green * rgb[..., 1:2] + blue * rgb[..., 2:3]


def _as_frames(name: str, pred: Array, target: Array, least: int = 1) -> tuple[Array, Array]:
  if pred.shape != target.shape:
    raise ValueError(f"{name}: prediction {pred.shape} and target {target.shape} differ in shape")
  if pred.ndim not in (4, 5):
    raise ValueError(f"{name}: expected [b, h, w, c] or [b, t, h, w, c], got shape {pred.shape}")
  if min(pred.shape[-3:-1]) < least:
    raise ValueError(
      f"{name}: frames must be at least {least} x {least} pixels, got shape {pred.shape}"
    )
  for array in (pred, target):
    if not jnp.issubdtype(array.dtype, jnp.floating):
      raise ValueError(f"{name}: expected floats in [0, 1], got {array.dtype}; divide by 255 first")
  return jnp.asarray(pred, jnp.float32), jnp.asarray(target, jnp.float32)


def _mean_over_time(per_frame: Array) -> Array:
  return jnp.mean(per_frame, axis=1) if per_frame.ndim == 2 else per_frame
