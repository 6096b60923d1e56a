from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from llve_jax.io.video import read_frames, read_info
from llve_jax.io.video.color import ColorTags, default_tags, from_rgb, to_rgb

# Kr and Kb of ITU-T H.273, table 4.
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def rgb_by_definition(planes, matrix, full_range):
  """ITU-T H.273, equations 8.3: [3, h, w] luma and chroma -> R'G'B' [h, w, 3] in 0..255."""
  kr, kb = WEIGHTS[matrix]
  low, luma_span, chroma_span = (0, 255, 255) if full_range else (16, 219, 224)
  luma = (planes[0] - low) / luma_span
  blue, red = (planes[1] - 128.0) / chroma_span, (planes[2] - 128.0) / chroma_span
  r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
  g = (luma - kr * r - kb * b) / (1 - kr - kb)
  return np.clip(np.stack([r, g, b], -1), 0, 1) * 255


def random_planes(height, width, count=2):
  rng = np.random.default_rng(0)
  luma = rng.integers(16, 236, (count, 1, height, width))
  chroma = rng.integers(64, 192, (count, 2, height, width))
  return np.concatenate([luma, chroma], 1).astype(np.uint8)


@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize("full_range", [False, True])
def test_tagged_video_is_read_by_its_matrix_and_range(make_clip, tmp_path, matrix, full_range):
  planes = random_planes(34, 50)
  tags = {"colorspace": matrix, "color_range": 2 if full_range else 1}
  path = make_clip(tmp_path / "a.mp4", planes, audio=None, tags=tags)
  for frame, expected in zip(read_frames(path), planes, strict=True):
    error = np.abs(frame.image - rgb_by_definition(expected, matrix, full_range))
    assert error.max() <= 1.5


@pytest.mark.parametrize(("height", "matrix"), [(718, 6), (720, 1)])
def test_untagged_video_is_601_below_720_lines_and_709_from_there(
  make_clip, tmp_path, height, matrix
):
  planes = random_planes(height, 32, count=1)
  path = make_clip(tmp_path / "a.mkv", planes, audio=None)
  (frame,) = read_frames(path)
  assert np.abs(frame.image - rgb_by_definition(planes[0], matrix, False)).max() <= 1.5
  assert read_info(path).color == ColorTags(matrix)


@pytest.mark.parametrize("matrix", WEIGHTS)
def test_from_rgb_inverts_the_definition(matrix):
  image = np.random.default_rng(1).integers(0, 256, (31, 45, 3)).astype(np.uint8)
  planes = from_rgb(image, "yuv444p", matrix, VideoReformatter()).to_ndarray()
  error = rgb_by_definition(planes, matrix, full_range=False) - image
  # 8-bit luma and chroma cost up to two steps of R'G'B', but no cast.
  assert np.abs(error).max() <= 2.5
  assert np.abs(error.mean((0, 1))).max() < 0.1


def test_chroma_at_half_size_does_not_shift_dark_colours():
  """The quick conversion that swscale does by default darkens by half a step and more."""
  rng = np.random.default_rng(2)
  noise = cv2.GaussianBlur(rng.uniform(0, 1, (96, 128, 3)), (0, 0), 4)
  image = np.round(60 * (noise - noise.min()) / np.ptp(noise)).astype(np.uint8)
  tags = default_tags(96)
  half = from_rgb(image, "yuv420p", tags.matrix, VideoReformatter())
  error = to_rgb(half, tags, VideoReformatter()).astype(float) - image
  assert np.abs(error.mean((0, 1))).max() < 0.1
  assert np.abs(error).max() <= 6

  quick = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p")
  shift = quick.to_ndarray(format="rgb24").astype(float) - image
  assert shift.mean() < -0.5  # what the options are there for


def test_rgb_video_is_not_converted():
  image = np.random.default_rng(3).integers(0, 256, (8, 10, 3)).astype(np.uint8)
  frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="bgr24")
  frame.pts, frame.time_base = 0, Fraction(1, 25)
  np.testing.assert_array_equal(to_rgb(frame, ColorTags(1), VideoReformatter()), image)


def test_hdr_is_recognised_by_its_tone_curve():
  assert ColorTags(9, transfer=16).is_hdr
  assert ColorTags(9, transfer=18).is_hdr
  assert not default_tags(1080).is_hdr


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", WEIGHTS)
def test_ten_bits_are_read_by_the_definition(matrix, full_range):
  planes = 4 * random_planes(34, 48, count=1)[0].astype(np.uint16) + 1
  frame = av.VideoFrame(48, 34, "yuv444p10le")
  for plane, values in zip(frame.planes, planes, strict=True):
    np.frombuffer(memoryview(plane), "<u2").reshape(34, -1)[:, :48] = values
  image = to_rgb(frame, ColorTags(matrix, full_range), VideoReformatter(), deep=True)
  assert image.dtype == np.uint16
  expected = rgb_by_definition(planes / 4, matrix, full_range) * 257
  error = image - expected
  assert np.abs(error).max() < (330 if full_range else 40)  # a step of 10 bits is 64
  assert np.abs(error.mean()) < (70 if full_range else 4)


@pytest.mark.parametrize("matrix", WEIGHTS)
def test_sixteen_bits_are_written_as_ten_by_the_definition(matrix):
  image = np.random.default_rng(1).integers(0, 65536, (31, 45, 3)).astype(np.uint16)
  frame = from_rgb(image, "yuv444p10le", matrix, VideoReformatter())
  planes = np.stack(
    [np.frombuffer(memoryview(p), "<u2").reshape(31, -1)[:, :45] for p in frame.planes]
  )
  error = rgb_by_definition(planes / 4, matrix, full_range=False) * 257 - image
  assert np.abs(error).max() < 180
  assert np.abs(error.mean((0, 1))).max() < 8


@pytest.mark.parametrize(("pixels", "bits"), [("gbrp10le", 10), ("gbrp12le", 12), ("gray10le", 10)])
def test_white_is_white_in_every_depth(pixels, bits):
  frame = av.VideoFrame(16, 16, pixels)
  for plane in frame.planes:
    np.frombuffer(memoryview(plane), "<u2")[:] = (1 << bits) - 1
  image = to_rgb(frame, ColorTags(1, True), VideoReformatter(), deep=True)
  assert image.min() >= 65534
