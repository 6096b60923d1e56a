"""Move a picture by a fraction of a pixel, and find out by how much one was moved.

A shift is (dx, dy) in pixels, x to the right, y down; a picture moved by it shows at (x, y) what
was at (x - dx, y - dy). All functions are numpy.
"""

import math

import cv2
import numpy as np
from jaxtyping import Bool, Complex, Float

Shift = tuple[float, float]

_RADIUS = 3  # of the Lanczos window: six neighbours in a row
_CLIMBS = 8
_PRECISION = 1e-3  # pixels


def translate(image: np.ndarray, shift: Shift) -> np.ndarray:
  """Moves an image [h, w] or [h, w, c] of any real dtype; what comes in from outside is mirrored.

  Lanczos interpolation over six neighbours in each direction (Duchon, "Lanczos Filtering in One and
  Two Dimensions", J. Appl. Meteor. 1979), its weights made to sum to 1 so that flat areas stay
  flat. A shift by whole pixels copies. Integers are rounded and clipped to their range.
  """
  (left, x_taps), (top, y_taps) = (_taps(amount) for amount in shift)
  height, width = image.shape[:2]
  columns = _mirrored(np.arange(left, left + width + len(x_taps) - 1), width)
  rows = _mirrored(np.arange(top, top + height + len(y_taps) - 1), height)
  source = image[rows][:, columns].astype(np.float32)
  filtered = cv2.sepFilter2D(source, -1, x_taps, y_taps, anchor=(0, 0))
  moved = filtered.reshape(source.shape)[:height, :width]
  if np.issubdtype(image.dtype, np.integer):
    bounds = np.iinfo(image.dtype)
    moved = np.clip(np.rint(moved), bounds.min, bounds.max)
  return moved.astype(image.dtype)


def valid_area(height: int, width: int, shift: Shift) -> Bool[np.ndarray, "h w"]:
  """True where `translate` used nothing from outside the image."""
  valid = np.ones((height, width), bool)
  for axis, amount in ((1, shift[0]), (0, shift[1])):
    length = valid.shape[axis]
    first, taps = _taps(amount)
    position = np.arange(length)
    inside = (position + first >= 0) & (position + first + len(taps) <= length)
    valid &= inside if axis else inside[:, None]
  return valid


def phase_correlate(
  reference: Float[np.ndarray, "h w"],
  moving: Float[np.ndarray, "h w"],
  *,
  bandwidth: float = 0.15,
  whitening: float = 0.5,
  limit: float = math.inf,
) -> tuple[Shift, float]:
  """The shift that brings `moving` onto `reference`.

  Phase correlation (Kuglin and Hines, 1975) of the Hann-windowed pictures, with two things against
  noise. The spectrum is whitened in part only, by |cross|**whitening: noise fills the frequencies
  where the pictures have little. And high frequencies, where a dark frame holds noise alone,
  are faded out. The peak is refined on the Fourier series itself, which Guizar-Sicairos et al.,
  "Efficient subpixel image registration algorithms", Optics Letters 2008, sample finely.

  The window holds the pictures' borders in place, so a large shift comes out too small: move by the
  result and call again.

  Args:
    reference: picture that stays.
    moving: picture of the same size.
    bandwidth: frequency, in cycles per pixel, at which the weight has fallen to exp(-1/2).
    whitening: 0 is plain cross-correlation, 1 keeps the phase alone.
    limit: largest shift, in pixels along an axis, that is looked for.

  Returns:
    The shift, and the height of the peak: 1 for equal pictures, about 0 for unrelated ones.

  Raises:
    ValueError: the sizes differ.
  """
  if reference.shape != moving.shape or reference.ndim != 2:
    raise ValueError(f"expected two pictures of a size, got {reference.shape} and {moving.shape}")
  height, width = reference.shape
  window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]).astype(np.float32)
  first, second = (_spectrum(picture, window) for picture in (reference, moving))
  columns, rows = (np.fft.ifftshift(np.arange(n) - n // 2) for n in (width, height))
  x = (columns[: first.shape[1]] / width).astype(np.float32)
  y = (rows / height).astype(np.float32)
  cross = first * np.conj(second)
  strength = np.abs(cross)
  fading = np.exp(-(x * x) / (2 * bandwidth**2)) * np.exp(-(y * y) / (2 * bandwidth**2))[:, None]
  cross *= fading / (strength + 1e-6 * strength.max() + 1e-30) ** np.float32(whitening)
  surface = np.fft.irfft2(cross, reference.shape)
  within = (np.abs(columns) <= limit) & (np.abs(rows) <= limit)[:, None]
  row, column = np.unravel_index(np.argmax(np.where(within, surface, -np.inf)), surface.shape)
  # Columns stand for their conjugates, too; the first, and the last of an even width, have none.
  cross[:, 1 : (width + 1) // 2] *= 2
  shift, top = _refine(cross, x, y, (float(columns[column]), float(rows[row])))
  total = np.abs(cross).sum()
  return shift, float(top / total) if total > 0 else 0.0


def _taps(amount: float) -> tuple[int, np.ndarray]:
  """Where the first neighbour lies, counted from the pixel to be made, and all their weights."""
  whole = math.floor(-amount)
  fraction = -amount - whole
  if fraction < 1e-6:
    return whole, np.ones(1, np.float32)
  distance = np.arange(1 - _RADIUS, _RADIUS + 1) - fraction
  weights = np.sinc(distance) * np.sinc(distance / _RADIUS)
  return whole + 1 - _RADIUS, (weights / weights.sum()).astype(np.float32)


def _mirrored(index: np.ndarray, length: int) -> np.ndarray:
  """Folds positions outside [0, length) back inside; the border itself is not repeated."""
  if length == 1:
    return np.zeros_like(index)
  index = np.abs(index) % (2 * length - 2)
  return np.minimum(index, 2 * length - 2 - index)


def _spectrum(picture: np.ndarray, window: np.ndarray) -> Complex[np.ndarray, "h half"]:
  """Of waves to the right; those to the left are their conjugates."""
  picture = picture.astype(np.float32)
  mean = np.sum(picture * window) / window.sum()
  return np.fft.rfft2((picture - mean) * window)


def _refine(
  cross: Complex[np.ndarray, "h half"], x: np.ndarray, y: np.ndarray, coarse: Shift
) -> tuple[Shift, float]:
  """Climbs from a pixel to the top of the Fourier series near it: (shift, height).

  Newton's method. Sums instead of matrix products, which would start threads for so little.
  """
  turn = np.float32(2 * np.pi)
  shift = np.array(coarse)
  for _ in range(_CLIMBS):
    wave = cross * np.exp(1j * turn * x * np.float32(shift[0]))
    rows = np.stack([(wave * (1j * turn * x) ** order).sum(1) for order in range(3)])
    rows = rows * np.exp(1j * turn * y * np.float32(shift[1]))
    # moment[i, j]: derived i times by x and j times by y.
    moment = np.array([[(row * (1j * turn * y) ** j).sum().real for j in range(3)] for row in rows])
    slope = np.array([moment[1, 0], moment[0, 1]])
    bend = np.array([[moment[2, 0], moment[1, 1]], [moment[1, 1], moment[0, 2]]])
    if not (bend[0, 0] < 0 and np.linalg.det(bend) > 0):
      break  # no top here
    step = -np.linalg.solve(bend, slope)
    shift = np.clip(shift + step, np.array(coarse) - 1, np.array(coarse) + 1)
    if np.abs(step).max() < _PRECISION:
      break
  return (float(shift[0]), float(shift[1])), float(moment[0, 0])
