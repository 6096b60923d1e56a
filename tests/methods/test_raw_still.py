"""Raw stills through networks for raw light: against the sensor's numbers."""

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.raw import read_raw
from llve_jax.methods.raw_still import RawStill, find_ratio, light_of
from llve_jax.models.contract import CHANNELS, Traits
from llve_jax.ops.mosaic import BAYER, XTRANS, crop_cfa
from tests.dng import write_dng
from tests.methods.networks import of_function, of_model

BLACK, WHITE = 512, 16383
# A flat colour as light, and the letters' places in it.
COLOR = {"R": 0.02, "G": 0.05, "B": 0.01}


def still(tmp_path, cfa="RGGB", shape=(24, 30), light=COLOR, **options):
  side = 2 if len(cfa) == 4 else 6
  cell = np.array([light[letter] for letter in cfa]).reshape(side, side)
  plane = np.tile(cell, (20, 20))[: shape[0], : shape[1]]
  mosaic = np.round(BLACK + plane * (WHITE - BLACK)).astype(np.uint16)
  path = tmp_path / "a.dng"
  write_dng(path, mosaic, cfa=cfa, black=(BLACK,) * len(cfa), white=WHITE, **options)
  return read_raw(path)


@pytest.mark.parametrize("cfa", BAYER)
@pytest.mark.parametrize("shape", [(24, 30), (25, 31)])
def test_bayer(tmp_path, cfa, shape):
  raw = still(tmp_path, cfa, shape)
  packed = light_of(raw, "bayer", 10.0)
  assert packed.shape == (12, 15, 4)
  assert packed.dtype == np.float32
  np.testing.assert_allclose(packed[0, 0], [0.2, 0.5, 0.1, 0.5], atol=1e-3)
  np.testing.assert_allclose(packed, np.broadcast_to(packed[0, 0], packed.shape))
  rgb = light_of(raw, "raw_rgb", 30.0)
  assert rgb.shape == (12, 15, 3)
  np.testing.assert_allclose(rgb[3, 4], [0.6, 1.0, 0.3], atol=2e-3)  # green is cut off
  plane = light_of(raw, "mosaic", 10.0)
  np.testing.assert_allclose(plane[:2, :2, 0], [[0.2, 0.5], [0.5, 0.1]], atol=1e-3)


@pytest.mark.parametrize("cfa", [XTRANS, crop_cfa(XTRANS, 2, 5)])
def test_xtrans(tmp_path, cfa):
  raw = still(tmp_path, cfa, (30, 30))
  packed = light_of(raw, "xtrans", 10.0)
  assert packed.shape[2] == 9
  assert min(packed.shape[:2]) >= 8
  np.testing.assert_allclose(packed[0, 0, [0, 1, 2, 5]], [0.2, 0.5, 0.1, 0.5], atol=1e-3)
  rgb = light_of(raw, "raw_rgb", 10.0)
  np.testing.assert_allclose(rgb[1, 1], [0.2, 0.5, 0.1], atol=1e-3)


@pytest.mark.parametrize(
  ("cfa", "takes", "message"),
  [
    (XTRANS, "bayer", "takes bayer light, found an X-Trans mosaic"),
    (XTRANS, "mosaic", "found an X-Trans mosaic"),
    ("RGGB", "xtrans", "takes xtrans light, found a Bayer mosaic"),
  ],
)
def test_another_sensor_is_refused(tmp_path, cfa, takes, message):
  with pytest.raises(UserError, match=rf"a\.dng: .*{message}"):
    light_of(still(tmp_path, cfa), takes, 1.0)


def test_the_ratio_is_that_of_the_light_and_at_most_that_of_ten_seconds(tmp_path):
  assert find_ratio(still(tmp_path)) == pytest.approx(0.9 / 0.05, rel=1e-2)
  assert find_ratio(still(tmp_path, exposure_time=2.0)) == pytest.approx(5.0)
  assert find_ratio(still(tmp_path, exposure_time=30.0)) == 1.0
  assert find_ratio(still(tmp_path, light=dict.fromkeys("RGB", 0.0))) == 300.0
  assert find_ratio(still(tmp_path, light=dict.fromkeys("RGB", 1.0))) == 1.0
  grey = still(tmp_path, XTRANS, light=dict.fromkeys("RGB", 0.1))
  assert find_ratio(grey) == pytest.approx(9.0, rel=1e-2)


def test_the_result_is_upright(tmp_path):
  import dataclasses

  raw = dataclasses.replace(still(tmp_path), orientation=6)
  traits = Traits(stride=1, receptive_field=1, input_kind="raw_rgb")
  method = RawStill(of_function(lambda clip: clip, traits)[0], raw, 2.0)
  light = np.random.default_rng(0).random((4, 6, 3), np.float32)
  (bright,) = method.stream([light], rounded=False)
  np.testing.assert_array_equal(bright, np.rot90(light, -1))
  assert method.about(4, 6).endswith("raw light (raw_rgb) amplified 2 times")
  assert (method.name, method.takes) == ("function", "raw_rgb")


def test_a_network_of_several_frames_is_shown_a_rest_and_its_middle_is_taken(tmp_path):
  """At the ends of a clip a network sees less of what is around."""
  places = np.float32([0, 1, 0]).reshape(1, 3, 1, 1, 1)
  traits = Traits(1, 1, input_kind="raw_rgb", frames=3, least_frames=3)
  method = RawStill(of_function(lambda clip: clip * places, traits)[0], still(tmp_path), 2.0)
  light = np.random.default_rng(0).random((4, 6, 3), np.float32)
  (bright,) = method.stream([light], rounded=False)
  np.testing.assert_array_equal(bright, light)


def test_ordinary_methods_are_no_raw_light(tmp_path):
  with pytest.raises(ValueError, match="no raw light"):
    RawStill(of_function(lambda clip: clip)[0], still(tmp_path), 1.0)


MODELS = {
  "sid_unet": ({"widths": (2, 4)}, "RGGB", (24, 30)),
  "sid_unet of X-Trans": ({"widths": (2, 4), "input_kind": "xtrans"}, XTRANS, (24, 30)),
  "smid_resunet": ({"widths": (2, 4), "blocks": 1}, "GBRG", (12, 15)),
  "unet3d": ({"base": 2, "depth": 1}, "BGGR", (24, 30)),
  "cnn3d": ({}, XTRANS, (8, 10)),
  "conv_lstm": ({}, "RGGB", (12, 15)),
  "mbllven": ({}, "RGGB", (24, 30)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_networks_of_the_library_take_one_still(tmp_path, name):
  from tests.models.tiny_networks import TINY

  fields, cfa, size = MODELS[name]
  model = name.partition(" ")[0]
  fields = fields or TINY[model][0]
  network, _, _ = of_model(model, fields)
  raw = still(tmp_path, cfa)
  light = light_of(raw, network.takes, 3.0)
  assert light.shape[2] == CHANNELS[network.takes]
  (bright,) = RawStill(network, raw, 3.0).stream([light])
  assert bright.shape[2] == 3
  assert bright.shape[:2] == size
  assert bright.dtype == np.uint8
