import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.color import rgb2lab
from skimage.exposure import equalize_hist

from llve_jax.errors import UserError
from llve_jax.methods import classic, deep_clahe
from llve_jax.metrics import protocols


def dark_clip(count: int = 6, height: int = 64, width: int = 80, seed: int = 0) -> np.ndarray:
  """A dim, coloured, noisy scene whose light changes from frame to frame."""
  random = np.random.default_rng(seed)
  rows, columns = np.mgrid[0:height, 0:width]
  scene = np.stack([25 + 20 * np.sin(rows / 9 + k) * np.cos(columns / 13) for k in range(3)], -1)
  light = np.linspace(0.5, 1.5, count)[:, None, None, None]
  clip = scene * light + random.normal(scale=2.0, size=(count, height, width, 3))
  return np.clip(np.round(clip), 0, 255).astype(np.uint8)


def decoded(frame: np.ndarray) -> np.ndarray:
  """The sRGB decoding of IEC 61966-2-1, in double precision."""
  value = frame.astype(np.float64) / 255
  return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def luma(rgb: np.ndarray) -> np.ndarray:
  return 0.2126 * rgb[..., 0] + 0.7152 * rgb[..., 1] + 0.0722 * rgb[..., 2]


def brightness_jumps(clip: np.ndarray) -> float:
  """Standard deviation of the change of a frame's mean from one frame to the next."""
  return float(np.diff(clip.mean(axis=(1, 2, 3))).std())


@pytest.mark.parametrize("name", classic.CLASSIC)
def test_every_method_keeps_shape_and_type_and_leaves_its_input_alone(name: str):
  clip = dark_clip(3, 37, 53)
  before = clip.copy()
  out = classic.Classic(name)(clip)
  assert out.shape == clip.shape
  assert out.dtype == np.uint8
  np.testing.assert_array_equal(clip, before)
  if name == "input":
    np.testing.assert_array_equal(out, clip)
  else:
    assert out.mean() > clip.mean() + 10


@pytest.mark.parametrize("name", classic.CLASSIC)
def test_a_method_keeps_nothing_between_videos_and_remembers_within_one(name: str):
  dim, bright = dark_clip(4), 3 * dark_clip(4)
  method = classic.Classic(name)
  alone = method(bright)
  method(dim)
  np.testing.assert_array_equal(method(bright), alone)
  followed = method(np.concatenate([dim, bright]))[4:]
  remembers = name.startswith("auto_gain") or name in ("hist_eq_causal", "hist_eq_clip")
  assert np.array_equal(followed, alone) != remembers


@pytest.mark.parametrize("name", classic.CLASSIC)
def test_floats_and_16_bits_are_taken_and_look_as_8_bits_do(name: str):
  clip = dark_clip(2)
  method = classic.Classic(name)
  assert method.takes == "srgb"
  expected = method(clip, rounded=False)
  floats = method(clip.astype(np.float32) / 255, rounded=False)
  deep = method(clip.astype(np.uint16) * 257, rounded=False)
  assert floats.dtype == deep.dtype == expected.dtype == np.float32
  np.testing.assert_allclose(floats, deep, atol=1e-6)
  # OpenCV rounds lightness and chroma of 8 bits, which are coarse in the dark, and leaves the
  # darkest level out of the histogram, which is a larger one in 8 bits.
  kind = "hist_eq" if name.startswith("hist_eq") else name
  largest, mean = {"clahe": (0.05, 0.01), "hist_eq": (0.1, 0.03)}.get(kind, (0.006, 0.002))
  assert np.abs(deep - expected).max() < largest
  assert np.abs(deep - expected).mean() < mean
  rounded = method(clip.astype(np.uint16) * 257)
  assert rounded.dtype == np.uint8
  np.testing.assert_array_equal(rounded, np.round(255 * deep))
  assert classic.Classic(name, called="row").name == "row"


@pytest.mark.parametrize("name", classic.CLASSIC)
def test_16_bits_keep_their_levels(name: str):
  """Two thousand levels in what are eleven of 8 bits."""
  levels = np.arange(2800, dtype=np.uint16).reshape(1, 40, 70)
  frame = np.repeat(levels[..., None], 3, axis=-1)
  if name == "clahe":
    frame = frame.repeat(8, axis=1).repeat(8, axis=2)  # tiles that hold more pixels than bins
  found = np.concatenate(list(classic.Classic(name).stream(frame, rounded=False)))
  codes = found * 65535
  np.testing.assert_allclose(codes, np.round(codes), atol=0.01)
  assert len(np.unique(np.round(codes[..., 1]))) > 2000
  whole = classic.Classic(name)(frame[0][None].astype(np.float32) / 65535, rounded=False)
  np.testing.assert_allclose(whole, found[None], atol=1e-6)


def test_the_input_stays_what_it_is():
  floats = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
  np.testing.assert_array_equal(classic.Classic("input")(floats, rounded=False), floats)


@pytest.mark.parametrize("name", classic.CLASSIC)
@pytest.mark.parametrize("level", [0, 1, 255])
def test_flat_frames_stay_flat(name: str, level: int):
  out = classic.Classic(name)(np.full((2, 16, 16, 3), level, np.uint8))
  assert (out == out[0, 0, 0]).all()
  if level == 0 and name.startswith("auto_gain"):
    assert (out == 0).all()


@pytest.mark.parametrize(
  ("name", "statistic", "level", "decode"),
  [
    ("auto_gain", lambda y: np.percentile(y, 99, method="inverted_cdf"), 0.9, True),
    ("auto_gain_mean", np.mean, 0.4, True),
    ("auto_gain_srgb", lambda y: np.percentile(y, 99, method="inverted_cdf"), 0.9, False),
  ],
)
def test_auto_gain_equals_its_formula_in_numpy(name, statistic, level, decode):
  clip = dark_clip(5)
  log_gain = None
  for frame, found in zip(clip, classic.Classic(name)(clip), strict=True):
    x = decoded(frame) if decode else frame / 255
    measured = np.log(level / statistic(luma(x)))
    log_gain = measured if log_gain is None else 0.9 * log_gain + 0.1 * measured
    expected = 255 * np.clip(np.exp(log_gain) * x, 0, 1) ** (1 / 2.2)
    assert np.abs(found - expected).max() < 0.51
  log_gain = None
  deep = clip.astype(np.uint16) * 200 + 77
  for frame, found in zip(deep, classic.Classic(name)(deep, rounded=False), strict=True):
    x = decoded(frame / 257) if decode else frame / 65535
    measured = np.log(level / statistic(luma(x)))
    log_gain = measured if log_gain is None else 0.9 * log_gain + 0.1 * measured
    expected = np.clip(np.exp(log_gain) * x, 0, 1) ** (1 / 2.2)
    assert 65535 * np.abs(found - expected).max() < 1.5


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gamma_is_a_power(dtype):
  largest = int(np.iinfo(dtype).max)
  codes = np.arange(0, largest + 1, largest // 255, dtype=dtype).reshape(1, 16, 16, 1).repeat(3, -1)
  found = classic.Classic("gamma")(codes, rounded=False)
  assert largest * np.abs(found - (codes / largest) ** (1 / 2.2)).max() < 0.51


def test_the_gain_does_not_follow_noise():
  """A still scene whose brightest pixels come and go: a gain per frame flickers."""
  random = np.random.default_rng(3)
  clip = np.repeat(dark_clip(1), 40, axis=0)
  for frame in clip:
    share = random.choice([0.002, 0.03])  # on either side of the one percent that p99 leaves out
    frame[random.random(frame.shape[:2]) < share] = 200
  per_frame = np.concatenate([classic.Classic("auto_gain")(frame[None]) for frame in clip])
  smooth = classic.Classic("auto_gain")(clip)
  assert brightness_jumps(per_frame) > 20
  assert brightness_jumps(smooth) < brightness_jumps(per_frame) / 4


def test_the_gain_follows_a_lasting_change_and_ignores_black_frames():
  bright, dim = dark_clip(1), dark_clip(1) // 4
  black = np.zeros_like(bright)
  clip = np.concatenate([black, bright, black, bright, np.repeat(dim, 160, axis=0)])
  out = classic.Classic("auto_gain_mean")(clip)
  assert (out[0] == 0).all()
  alone = classic.Classic("auto_gain_mean")
  np.testing.assert_array_equal(out[1:2], alone(bright))
  np.testing.assert_array_equal(out[3], out[1])
  settled = out[4:]
  assert settled[0].mean() < settled[20].mean() < settled[-1].mean()
  np.testing.assert_array_equal(settled[-1:], alone(dim))


def test_what_is_nearly_black_is_amplified_as_code_1_would_be():
  clip = np.zeros((1, 40, 50, 3), np.uint8)
  clip[0, 7, 9] = 1
  out = classic.Classic("auto_gain_mean")(clip)
  assert out.max() == round(255 * 0.4 ** (1 / 2.2))


def test_smoothing_must_be_a_weight():
  with pytest.raises(ValueError, match=r"got 1\.0"):
    classic.AutoGain(np.mean, level=0.4, smoothing=1.0)


def test_histogram_equalisation_equals_scikit_image_and_keeps_chroma():
  clip = dark_clip(3, seed=5) + np.array([0, 8, 4], np.uint8)
  before = [cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb) for frame in clip]
  out = classic.Classic("hist_eq")(clip)
  for source, frame in zip(before, out, strict=True):
    expected = 255 * equalize_hist(source[..., 0], nbins=256)
    after = cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb).astype(int)
    inside = ((frame > 0) & (frame < 255)).all(axis=-1)  # nothing was cut off at the gamut's edge
    assert inside.mean() > 0.8
    # OpenCV leaves the first occupied level out of the cumulative sum; scikit-image does not.
    assert np.abs(after[..., 0] - expected)[inside].max() < 4
    assert np.abs(after[..., 1:] - source[..., 1:])[inside].max() <= 1


def test_histogram_equalisation_of_16_bits_equals_scikit_image():
  noise = np.random.default_rng(2).random((1, 64, 80, 3)) * 3 + 20
  clip = np.round(noise * dark_clip(1)).astype(np.uint16)
  source = cv2.cvtColor(clip[0], cv2.COLOR_RGB2YCrCb)
  found = classic.Classic("hist_eq")(clip, rounded=False)[0]
  after = cv2.cvtColor(np.round(found * 65535).astype(np.uint16), cv2.COLOR_RGB2YCrCb).astype(int)
  inside = ((found > 0) & (found < 1)).all(axis=-1)
  assert inside.mean() > 0.8
  expected = 65535 * equalize_hist(source[..., 0], nbins=65536)
  assert np.abs(after[..., 0] - expected)[inside].max() < 70  # a pixel in 5,120 is 13 codes
  assert np.abs(after[..., 1:] - source[..., 1:].astype(int))[inside].max() <= 3


@pytest.mark.parametrize("shape", [(64, 80), (61, 83), (9, 12)])
def test_deep_clahe_is_that_of_opencv_but_for_rounding(shape):
  codes = np.random.default_rng(0).gamma(2, 20, shape).clip(0, 255).astype(np.uint8)
  expected = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(codes)
  found = 255 * deep_clahe.equalize(codes.astype(np.uint16) * 257, limit=2.0, tiles=8)
  assert np.abs(found - expected).max() <= 1.01
  between = deep_clahe.equalize(codes.astype(np.uint16) * 256 + 100, limit=2.0, tiles=8)
  assert between.dtype == np.float32
  assert min(shape) < 10 or len(np.unique(between)) > 0.5 * codes.size


def reference_clahe(lightness: np.ndarray, limit: float, tiles: int) -> np.ndarray:
  """CLAHE of uint8 [h, w] in plain numpy; the sides must be multiples of `tiles`."""
  height, width = lightness.shape[0] // tiles, lightness.shape[1] // tiles
  most = max(1, int(limit * height * width / 256))
  tables = np.empty((tiles, tiles, 256))
  for row in range(tiles):
    for column in range(tiles):
      tile = lightness[row * height : (row + 1) * height, column * width : (column + 1) * width]
      counts = np.bincount(tile.ravel(), minlength=256)
      surplus = int(np.maximum(counts - most, 0).sum())
      counts = np.minimum(counts, most) + surplus // 256
      rest = surplus % 256
      if rest:
        counts[:: max(256 // rest, 1)][:rest] += 1
      tables[row, column] = np.round(np.cumsum(counts) * 255 / tile.size)
  y = (np.arange(lightness.shape[0]) / height - 0.5)[:, None]
  x = (np.arange(lightness.shape[1]) / width - 0.5)[None, :]
  top, left = np.floor(y).astype(int), np.floor(x).astype(int)
  down, right = y - top, x - left

  def mapped(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    return tables[np.clip(row, 0, tiles - 1), np.clip(column, 0, tiles - 1), lightness]

  upper = mapped(top, left) * (1 - right) + mapped(top, left + 1) * right
  lower = mapped(top + 1, left) * (1 - right) + mapped(top + 1, left + 1) * right
  return upper * (1 - down) + lower * down


def test_clahe_equals_plain_numpy_on_lightness_and_keeps_colour():
  clip = dark_clip(2)
  for frame, found in zip(clip, classic.Classic("clahe")(clip), strict=True):
    lab = cv2.cvtColor(frame, cv2.COLOR_RGB2LAB)
    lab[..., 0] = np.round(reference_clahe(lab[..., 0], limit=2.0, tiles=8))
    expected = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    assert np.abs(found.astype(int) - expected).max() <= 2
    inside = ((found > 0) & (found < 255)).all(axis=-1)
    colour = (rgb2lab(found) - rgb2lab(frame))[..., 1:]  # scikit-image, in floats
    assert np.abs(colour[inside]).mean() < 1.0
    assert rgb2lab(found)[..., 0].std() > 1.2 * rgb2lab(frame)[..., 0].std()


def test_an_unknown_name_lists_the_known():
  with pytest.raises(UserError, match=r"'magic'.*input, auto_gain"):
    classic.Classic("magic")


@pytest.mark.skipif("LLVE_TEST_DATA" not in os.environ, reason="LLVE_TEST_DATA is not set")
def test_real_dark_photographs_come_closer_to_their_bright_version():
  folder = Path(os.environ["LLVE_TEST_DATA"]) / "noisy_indoor" / "val"
  plain = protocols.get("plain")
  scores: dict[str, list[float]] = {name: [] for name in classic.CLASSIC}
  for low in sorted((folder / "low").iterdir())[::6]:
    dark, bright = (
      cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)[None]
      for path in (low, folder / "high" / low.name)
    )
    for name in scores:
      psnr = protocols.score_frames(plain, classic.Classic(name)(dark), bright)["psnr"]
      scores[name].append(float(psnr[0]))
  means = {name: np.mean(values) for name, values in scores.items()}
  assert len(scores["input"]) >= 3
  for name in means.keys() - {"input"}:
    assert means[name] > means["input"] + 1, means
