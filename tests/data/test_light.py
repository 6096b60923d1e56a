"""Kinds of input: what data give, and what a person would see of raw light."""

import cv2
import numpy as np
import pytest

from llve_jax.data import light
from llve_jax.errors import UserError
from llve_jax.io.images import encode_png
from llve_jax.ops.color import srgb_to_linear
from llve_jax.ops.mosaic import BAYER, XTRANS, color_sites, pack

RNG = np.random.default_rng(0)


def _example(dtype, **more):
  image = RNG.integers(0, 200, (4, 6, 3)).astype(dtype)
  return {"low": [encode_png(image)], "high": [], "clip": b"c", **more}


@pytest.mark.parametrize(
  ("example", "kinds"),
  [
    (_example(np.uint8), ("srgb",)),
    (_example(np.uint16), ("raw_rgb", "srgb")),
    (_example(np.uint16, cfa=b"GBRG"), ("bayer", "raw_rgb", "mosaic")),
    (_example(np.uint16, cfa=XTRANS.encode()), ("xtrans", "mosaic")),
  ],
)
def test_data_give_what_they_hold(example, kinds):
  assert light.kinds_of(example) == kinds
  assert light.chosen_kind(example, None) == kinds[0]
  for kind in kinds:
    assert light.chosen_kind(example, kind) == kind
  for kind in {"srgb", "raw_rgb", "mosaic", "bayer", "xtrans"} - set(kinds):
    with pytest.raises(UserError, match=rf"c: .* gives {' or '.join(kinds)} .*'{kind}' is wanted"):
      light.chosen_kind(example, kind)


def test_bright_frames_alone_are_named():
  with pytest.raises(UserError, match="c has no dark frames"):
    light.kinds_of({"low": [], "high": [b""], "clip": b"c"})


@pytest.mark.parametrize("cfa", BAYER)
def test_bayer_is_interpolated_as_opencv_does(cfa):
  """OpenCV names a layout by its second row and column; borders are its own affair."""
  code = {"RGGB": "BG", "GRBG": "GB", "GBRG": "GR", "BGGR": "RG"}[cfa]
  plane = RNG.integers(0, 65536, (2, 14, 18), np.uint16)
  expected = [cv2.cvtColor(frame, getattr(cv2, f"COLOR_Bayer{code}2RGB")) for frame in plane]
  found = light.demosaic(plane.astype(np.float32), cfa)
  inside = (slice(None), slice(1, -1), slice(1, -1))
  np.testing.assert_allclose(found[inside], np.stack(expected)[inside], atol=0.51)


@pytest.mark.parametrize("cfa", [*BAYER, XTRANS])
def test_flat_colours_stay_flat_to_the_border(cfa):
  color = np.float32([0.1, 0.7, 0.3])
  plane = color[color_sites(cfa, (13, 16))][None]
  np.testing.assert_allclose(light.demosaic(plane, cfa), np.broadcast_to(color, (1, 13, 16, 3)))


def test_raw_light_is_seen_through_the_curve_of_srgb():
  codes = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, -1)
  linear = srgb_to_linear(codes.astype(np.float32) / 255)
  np.testing.assert_array_equal(light.seen(linear), codes)
  np.testing.assert_array_equal(light.seen(np.float32([[[[-0.5, 0.0, 7.0]]]])), [[[[0, 0, 255]]]])


def test_each_kind_of_a_bayer_plane():
  plane = RNG.random((2, 4, 6), np.float32)
  high = RNG.random((2, 4, 6, 3), np.float32)
  packed = pack(plane, "RGGB")
  assert light.of_kind(packed, high, "RGGB", "bayer")[0] is packed
  whole, target = light.of_kind(packed, high, "RGGB", "mosaic")
  np.testing.assert_array_equal(whole[..., 0], plane)
  assert target is high
  binned, small = light.of_kind(packed, high, "RGGB", "raw_rgb")
  np.testing.assert_array_equal(binned[..., 0], plane[:, ::2, ::2])
  np.testing.assert_array_equal(binned[..., 1], (plane[:, ::2, 1::2] + plane[:, 1::2, ::2]) / 2)
  np.testing.assert_array_equal(binned[..., 2], plane[:, 1::2, 1::2])
  areas = [cv2.resize(frame, (3, 2), interpolation=cv2.INTER_AREA) for frame in high]
  np.testing.assert_allclose(small, areas, atol=1e-6)
