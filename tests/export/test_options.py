import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.export.options import (
  Options,
  check_choices,
  check_fixed,
  check_open,
  parse_size,
  real_frames,
)
from llve_jax.io.video import write_video
from llve_jax.models.contract import Traits

SRGB = Traits(stride=1, receptive_field=1)
WINDOW = Traits(stride=1, receptive_field=1, frames=5, least_frames=3, least_side=16)
STREAM = Traits(stride=1, receptive_field=1, streaming=True)
RAW = Traits(stride=1, receptive_field=1, input_kind="bayer")


def test_sizes_are_width_by_height():
  assert parse_size(None) is None
  assert parse_size("640x360") == (360, 640)
  for text in ("640", "640x", "0x4", "640X360", "-4x4", "4.5x4", ""):
    with pytest.raises(UserError, match="expected WIDTHxHEIGHT"):
      parse_size(text)


def test_open_formats_take_no_size_and_no_precision():
  assert check_open(Options(), "saved_model", SRGB) is None
  for options in (Options(size=(4, 4)), Options(frames=3), Options(precision="float16")):
    with pytest.raises(UserError, match=r"--format=saved_model .* leave --"):
      check_open(options, "saved_model", SRGB)


def test_a_format_has_its_own_choices():
  check_choices(Options(layout="nchw"), "onnx")
  check_choices(Options(warm_up=(4, 4)), "saved_model")
  check_choices(Options(), "litert")
  for options, format in (
    (Options(layout="nchw"), "litert"),
    (Options(layout="nhwc"), "onnx"),
    (Options(warm_up=(4, 4)), "stablehlo"),
  ):
    with pytest.raises(UserError, match=r"--(layout|warm_up)"):
      check_choices(options, format)


@pytest.mark.parametrize(
  ("options", "traits", "expected"),
  [
    (Options(size=(9, 8)), SRGB, (1, 9, 8)),
    (Options(size=(9, 8), frames=7), SRGB, (7, 9, 8)),
    (Options(size=(16, 20)), WINDOW, (5, 16, 20)),
    (Options(size=(16, 20), frames=3), WINDOW, (3, 16, 20)),
    (Options(size=(9, 8)), STREAM, (1, 9, 8)),
    (Options(size=(9, 8), frames=4, layout="nchw"), STREAM, (4, 9, 8)),
  ],
)
def test_fixed_formats_settle_their_size(options, traits, expected):
  assert check_fixed(options, "litert", traits) == expected


@pytest.mark.parametrize(
  ("options", "traits", "message"),
  [
    (Options(), SRGB, "pass --size"),
    (Options(size=(9, 8)), WINDOW, "--size=8x9: this network takes sides of 16"),
    (Options(size=(16, 20), frames=2), WINDOW, "clips of 3 frames at least"),
    (Options(size=(9, 8), frames=-1), SRGB, "clips of 1 frames at least"),
    (Options(size=(9, 8), frames=4), STREAM, "leave --frames out"),
    (Options(size=(9, 8), precision="int4"), SRGB, "expected one of float32, float16, int8"),
    (Options(size=(9, 8), precision="int8"), SRGB, "pass --calibrate=VIDEO"),
  ],
)
def test_what_a_fixed_format_refuses(options, traits, message):
  with pytest.raises(UserError, match=message):
    check_fixed(options, "litert", traits)


def test_real_frames_are_those_of_the_video(tmp_path):
  path = tmp_path / "dark.mp4"
  video = np.full((18, 48, 64, 3), 20, np.uint8)
  write_video(path, video, 25)
  frames = real_frames(Options(video=str(path)), SRGB, None, 1)
  assert frames.shape == (16, 48, 64, 3)
  assert abs(int(frames.mean()) - 20) < 3
  assert real_frames(Options(video=str(path)), SRGB, (12, 10), 1).shape == (16, 12, 10, 3)
  assert real_frames(Options(), SRGB, None, 1) is None
  with pytest.raises(UserError, match="expected 17 frames at least, found 16"):
    real_frames(Options(video=str(path)), SRGB, None, 17)
  with pytest.raises(UserError, match="takes bayer clips, which no video holds"):
    real_frames(Options(video=str(path)), RAW, None, 1)
  with pytest.raises(UserError, match="no such file"):
    real_frames(Options(video=str(tmp_path / "none.mp4")), SRGB, None, 1)
  broken = tmp_path / "broken.mp4"
  broken.write_bytes(b"no video")
  with pytest.raises(UserError, match=r"broken\.mp4"):
    real_frames(Options(video=str(broken)), SRGB, None, 1)
