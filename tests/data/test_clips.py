"""Whole clips come back from their segments."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from llve_jax.data import clips
from llve_jax.errors import UserError
from llve_jax.io.images import encode_png
from llve_jax.ops.color import srgb_to_linear
from llve_jax.ops.mosaic import XTRANS, color_sites
from tests.data.test_dark import bright


def test_joined_clips_are_what_tfds_reads(data_dir, test_source):
  found = list(clips.test_clips(test_source))
  assert [(clip.name, clip.variant) for clip in found] == [("carphone", k) for k in range(3)]
  folder = data_dir / "dark_clips" / "tiny" / "2.0.0"
  examples = list(tfds.builder_from_directory(folder).as_data_source("test"))
  for clip, first in zip(found, (0, 3, 6), strict=True):
    assert clip.low.shape == clip.high.shape == (12, 48, 59, 3)
    assert clip.low.dtype == clip.high.dtype == np.uint8
    assert clip.fps == pytest.approx(30000 / 1001)
    parts = examples[first : first + 3]
    np.testing.assert_array_equal(clip.low, np.concatenate([part["low"] for part in parts]))
    np.testing.assert_array_equal(clip.high, np.concatenate([part["high"] for part in parts]))


def test_the_order_of_the_examples_does_not_matter(test_source):
  order = np.random.default_rng(0).permutation(len(test_source))
  shuffled = [test_source[int(index)] for index in order]
  pairs = zip(clips.test_clips(shuffled), clips.test_clips(test_source), strict=True)
  for clip, expected in pairs:
    assert (clip.name, clip.variant) == (expected.name, expected.variant)
    np.testing.assert_array_equal(clip.low, expected.low)


@pytest.mark.parametrize("index", [0, 1])
def test_a_missing_segment_is_named(test_source, index):
  examples = [test_source[k] for k in range(len(test_source)) if k != index]
  expected = [0, 5][index]
  with pytest.raises(
    UserError, match=rf"carphone, variant 0: .* starts at frame {expected}, found"
  ):
    list(clips.test_clips(examples))


def test_a_doubled_segment_is_named(test_source):
  with pytest.raises(UserError, match="starts at frame 5, found one at 0"):
    list(clips.test_clips([test_source[0], test_source[0]]))


def _raw(cfa="GBRG", count=3, size=(9, 11), start=0):
  """Mosaics of a known scene: light 1/4 of the target's own, with noise-free levels."""
  rng = np.random.default_rng(start)
  high = rng.integers(0, 256, (count, *size, 3)).astype(np.uint8)
  scene = srgb_to_linear(high.astype(np.float32) / 255)
  sites = color_sites(cfa, size)
  plane = np.take_along_axis(scene, sites[None, ..., None], -1)[..., 0]
  low = np.round(100 + plane / 4 * 60000).astype(np.uint16)
  return (
    {
      "low": [encode_png(frame[..., None]) for frame in low],
      "high": [encode_png(frame) for frame in high],
      "clip": b"night",
      "variant": 0,
      "start": start,
      "fps": 24.0,
      "cfa": cfa.encode(),
      "black": np.full(len(cfa), 100, np.float32),
      "white": 60100.0,
      "ratio": np.full(count, 4, np.float32),
    },
    scene,
    high,
  )


@pytest.mark.parametrize(("cfa", "corner"), [("GBRG", (1, 0)), ("RGGB", (0, 0))])
def test_raw_clips_as_each_kind(cfa, corner):
  """Light is the scene's, at the sites of RGGB; what a person sees has the target's size."""
  parts = [_raw(cfa, start=0), _raw(cfa, count=2, start=3)]
  scene = np.concatenate([scene for _, scene, _ in parts])[:, corner[0] :][:, :8, :10]
  high = np.concatenate([high for *_, high in parts])[:, corner[0] :][:, :8, :10]
  found = {
    kind: next(clips.test_clips([example for example, *_ in parts], kind))
    for kind in (None, "mosaic", "raw_rgb")
  }
  assert [found[kind].kind for kind in found] == ["bayer", "mosaic", "raw_rgb"]
  seen = scene[..., 1].copy()
  seen[:, ::2, ::2], seen[:, 1::2, 1::2] = scene[:, ::2, ::2, 0], scene[:, 1::2, 1::2, 2]
  np.testing.assert_allclose(found["mosaic"].light[..., 0], seen, atol=1e-4)
  np.testing.assert_allclose(found[None].light[..., 0], seen[:, ::2, ::2], atol=1e-4)
  for kind in (None, "mosaic"):
    np.testing.assert_array_equal(found[kind].high, high)
    # Where red was measured, what is seen is the target's red.
    np.testing.assert_array_equal(found[kind].low[:, ::2, ::2, 0], high[:, ::2, ::2, 0])
  small = found["raw_rgb"]
  assert small.light.shape == small.low.shape == small.high.shape == (5, 4, 5, 3)
  areas = high.reshape(5, 4, 2, 5, 2, 3).mean((2, 4))
  np.testing.assert_allclose(small.high, areas, atol=0.51)
  np.testing.assert_array_equal(small.low[..., 0], high[:, ::2, ::2, 0])


def test_xtrans_clips_end_with_a_whole_cell():
  example, _, high = _raw(XTRANS, size=(19, 14))
  (clip,) = clips.test_clips([example])
  assert (clip.kind, clip.light.shape) == ("xtrans", (3, 6, 4, 9))
  np.testing.assert_array_equal(clip.high, high[:, :18, :12])
  assert clip.low.shape == clip.high.shape


def test_light_below_black_is_kept_if_wanted():
  example, *_ = _raw("RGGB")
  example["black"] = np.full(4, 3000, np.float32)
  for keep in (True, False):
    (clip,) = clips.test_clips([example], keep_negatives=keep)
    assert (clip.light.min() < 0) == keep


def test_dark_clips_alone_keep_light_below_black():
  example, *_ = _raw("RGGB")
  example["black"] = np.full(4, 3000, np.float32)
  (dark,), (clip,) = clips.dark_clips([example], "bayer"), clips.test_clips([example])
  assert clip.light.min() < 0
  np.testing.assert_array_equal(np.stack(list(dark.frames())), clip.light)


def test_sixteen_bits_are_light_or_srgb():
  low = np.random.default_rng(0).integers(0, 65536, (2, 4, 6, 3)).astype(np.uint16)
  example = {
    "low": [encode_png(frame) for frame in low],
    "high": [encode_png(low[0])],
    "clip": b"c",
    "variant": 0,
    "start": 0,
    "fps": 0.0,
  }
  for kind in ("raw_rgb", "srgb"):
    (clip,) = clips.test_clips([example], kind)
    np.testing.assert_allclose(clip.light * 65535, low, atol=0.01)
    np.testing.assert_array_equal(clip.high, np.round(low[:1] / 257).repeat(2, 0))
    if kind == "srgb":
      np.testing.assert_array_equal(clip.low, np.round(low / 257))
    else:
      linear = srgb_to_linear(clip.low.astype(np.float32) / 255)
      steep = 0.5 / 255 * 2.4 / 1.055 + 1e-5  # half a code where the curve is flattest
      np.testing.assert_allclose(linear, clip.light, atol=steep)


def test_a_part_of_a_clip_keeps_what_belongs_together():
  example, *_ = _raw("RGGB")
  (clip,) = clips.test_clips([example])
  kept = clip.part(slice(1, 2))
  for name in ("low", "high", "light"):
    np.testing.assert_array_equal(getattr(kept, name), getattr(clip, name)[1:2])


def test_what_cannot_be_scored_is_named(test_source):
  with pytest.raises(UserError, match=r"carphone: .* gives srgb input, but 'raw_rgb' is wanted"):
    next(clips.test_clips(test_source, "raw_rgb"))
  example, *_ = _raw()
  with pytest.raises(UserError, match="night has no bright frames"):
    next(clips.test_clips([{**example, "high": []}]))
  with pytest.raises(UserError, match=r"night: expected .* black levels"):
    next(clips.test_clips([{**example, "black": np.zeros(3)}]))


def test_a_split_that_cannot_be_scored_is_refused_by_its_first_example(test_source):
  clips.check_scorable(test_source, "srgb")
  with pytest.raises(UserError, match="gives srgb input, but 'bayer' is wanted"):
    clips.check_scorable(test_source, "bayer")
  with pytest.raises(UserError, match="found none"):
    clips.check_scorable([], "srgb")
  with pytest.raises(UserError, match=r"carphone has no bright frames.*test_data\.name"):
    clips.check_scorable([{**test_source[0], "high": []}], "srgb")


def test_bright_splits_are_scored_on_a_darkness_that_stays():
  examples = [bright("a", 3, seed=1)[0], bright("a", 3, seed=2)[0] | {"start": 40}]
  examples.append(bright("b", 2, seed=3)[0])
  clips.check_scorable(examples, "srgb")
  found = list(clips.test_clips(examples, "srgb"))
  assert [clip.name for clip in found] == ["a@0", "a@40", "b@0"]
  assert [len(clip.low) for clip in found] == [3, 3, 2]
  again = list(clips.test_clips(examples[::-1]))
  for one, other in zip(found, again, strict=True):
    assert one.name == other.name
    np.testing.assert_array_equal(one.low, other.low)
    assert np.any(one.low != one.high)
  with pytest.raises(UserError, match="a: bright frames are made dark as srgb, but 'bayer'"):
    clips.check_scorable(examples, "bayer")
  with pytest.raises(UserError, match="'bayer' is wanted"):
    list(clips.test_clips(examples, "bayer"))


def test_clips_are_brought_to_the_size_of_training(test_source):
  (found, *_), (whole, *_) = (
    list(clips.test_clips(test_source, resize=size)) for size in ((24, 30), ())
  )
  assert found.low.shape == found.high.shape == (12, 24, 30, 3)
  np.testing.assert_allclose(found.high.mean(), whole.high.mean(), atol=0.5)


@pytest.mark.parametrize("kind", ["srgb", "bayer", "raw_rgb"])
def test_dark_frames_alone_are_clips_where_no_target_is_asked_for(kind):
  example = {"clip": b"night", "variant": 0, "start": 0, "fps": 0.0, "high": []}
  if kind == "srgb":
    example["low"] = [encode_png(np.full((8, 10, 3), 7, np.uint8))]
  else:
    plane = np.full((8, 10, 1), 1000, np.uint16)
    example |= {"low": [encode_png(plane)], "cfa": b"RGGB", "black": np.zeros(4, np.float32)}
    example |= {"white": 16383.0, "ratio": np.full(1, 4.0, np.float32)}
  with pytest.raises(UserError, match="no bright frames"):
    list(clips.test_clips([example], kind))
  (clip,) = clips.test_clips([example], kind, targets=False)
  np.testing.assert_array_equal(clip.low, clip.high)
  assert clip.high.shape == ((1, 4, 5, 3) if kind == "raw_rgb" else (1, 8, 10, 3))
  assert kind == "srgb" or clip.light is not None
