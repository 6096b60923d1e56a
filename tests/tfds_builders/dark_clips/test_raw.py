"""The configuration `raw`: mosaics of the bright clips, which can be packed and trained on."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from llve_jax.data import pipeline
from llve_jax.data.source import open_split
from llve_jax.errors import UserError
from llve_jax.ops.mosaic import pack
from llve_jax.ops.raw_light import normalize
from tfds_builders.dark_clips import raw

SETTINGS = {"raw": True, "max_height": 49, "max_frames": 5, "segment": 4, "passes": 1}
CLEAN = {
  "exposure": (1.0, 1.0),
  "white_balance": 0.0,
  "shot_noise": (0.0, 0.0),
  "read_noise": (0.0, 0.0),
  "row_noise": (0.0, 0.0),
}


@pytest.fixture(scope="module")
def folder(build_dark_clips, tmp_path_factory):
  folder = tmp_path_factory.mktemp("raw")
  build_dark_clips(folder, **SETTINGS)
  return folder


def _read(folder, split):
  return list(tfds.builder_from_directory(folder / "dark_clips/tiny/2.0.0").as_data_source(split))


def _linear(srgb):
  return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def test_the_configuration_holds_out_carphone(dark_clips_module):
  configs = {config.name: config for config in dark_clips_module.Builder.BUILDER_CONFIGS}
  assert configs["raw"].raw
  assert configs["raw"].holdout == "carphone"
  assert [name for name, config in configs.items() if config.raw] == ["raw", "raw_static"]


def test_features(folder):
  train, test = _read(folder, "train"), _read(folder, "test")
  assert [len(example["low"]) for example in train + test] == [4, 4, *[4, 1] * 3]
  for example in train + test:
    low, high = np.asarray(example["low"]), np.asarray(example["high"])
    assert (low.dtype, high.dtype) == (np.uint16, np.uint8)
    assert low.shape == (*high.shape[:3], 1)
    assert low.max() <= raw.WHITE
    assert example["cfa"] == b"RGGB"
    np.testing.assert_array_equal(example["black"], [512] * 4)
    assert example["white"] == 16383
    np.testing.assert_allclose(example["ratio"], [1 / example["exposure"]] * len(low), rtol=1e-6)
  # bikes at 49 rows would be 115x49, Big Buck Bunny 87x49, carphone 60x49: odd sides lose a pixel.
  sizes = {example["clip"]: np.shape(example["high"])[1:3] for example in train + test}
  assert sizes == {b"bikes": (48, 114), b"bigbuckbunny": (48, 86), b"carphone": (48, 60)}


def test_a_clip_is_dark_by_its_exposure_and_has_noise_below_black(folder):
  for example in _read(folder, "test"):
    low = np.asarray(example["low"])[..., 0]
    light = normalize(low, "RGGB", tuple(example["black"]), example["white"])
    packed = pack(light, "RGGB")
    assert packed.shape == (*light.shape[:1], 24, 30, 4)
    # Rendered linearly, green is the luminance's largest part.
    green = _linear(np.asarray(example["high"])[..., 1] / 255)
    assert packed[..., [1, 3]].mean() == pytest.approx(green.mean() / example["ratio"][0], rel=0.1)
    assert low.min() < 512


def test_without_noise_and_darkness_the_mosaic_renders_to_the_frame(build_dark_clips, tmp_path):
  build_dark_clips(tmp_path, **SETTINGS, **CLEAN, variants=1)
  example = _read(tmp_path, "test")[0]
  high = np.asarray(example["high"])
  light = (np.asarray(example["low"])[..., 0].astype(float) - 512) / (16383 - 512)
  dull = _linear(high / 255).mean(axis=-1) < 0.9  # Brighter pixels clip on the sensor, too.
  compared = 0
  for site, (color, gain) in enumerate([(0, 2.15), (1, 1.0), (1, 1.0), (2, 1.7)]):
    at = (slice(None), slice(site // 2, None, 2), slice(site % 2, None, 2))
    balanced = gain * light[at]
    curve = 1.055 * np.abs(balanced) ** (1 / 2.4) - 0.055
    srgb = np.where(balanced <= 0.0031308, 12.92 * balanced, curve)
    codes = np.round(255 * srgb)[dull[at]]
    np.testing.assert_array_equal(codes, high[at][..., color][dull[at]])
    compared += codes.size
  assert compared > 0.5 * light.size


def test_it_can_be_trained_on(folder):
  source = open_split("dark_clips", "train", config="tiny", data_dir=folder)
  batch = next(pipeline.train_iterator(source, batch=2, frames=3, crop=16, seed=0, threads=0))
  assert batch["low"].shape == (2, 3, 16, 16, 4)
  assert batch["high"].shape == (2, 3, 32, 32, 3)
  # Brightened, green is as bright as the target's light.
  green = _linear(batch["high"][..., 1])
  assert batch["low"][..., [1, 3]].mean() == pytest.approx(green.mean(), rel=0.15)


def test_mosaics_cannot_be_compressed(build_dark_clips, tmp_path):
  with pytest.raises(UserError, match=r"H\.264 holds no mosaics"):
    build_dark_clips(tmp_path, **SETTINGS, h264_crf=18)
