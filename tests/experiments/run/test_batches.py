"""The training data that a configuration names: one data set, a mixture, and what is refused."""

import inspect

import pytest

from experiments.configs import base, recurrent_unet
from experiments.run.batches import open_stream, settings_of
from llve_jax.errors import UserError
from llve_jax.ops import darkening
from llve_jax.train import mesh


@pytest.fixture
def config(data_dir):
  config = recurrent_unet.get_config("smoke")
  config.data.update(config="tiny", dir=str(data_dir), crop=16)
  return config


def _open(config, **kwargs):
  return open_stream(config, "srgb", mesh.make_mesh(mesh.first_devices(1)), **kwargs)


def test_the_configured_darkness_is_that_of_the_library():
  parameters = inspect.signature(darkening.draw).parameters
  defaults = {name: part.default for name, part in parameters.items() if name != "rng"}
  assert base.darkness().to_dict() == defaults


def test_a_view_of_whole_frames_is_asked_for_by_the_network(config):
  assert settings_of(config, "srgb")["context"] == 0
  stream = _open(config, context=8)
  assert stream.shapes["context"].shape == (2, 4, 8, 8, 3)
  assert "context" not in _open(config).shapes
  stream.iterator.close()


def test_the_siamese_step_gets_frames_that_do_not_follow_each_other(config):
  assert not settings_of(config, "srgb")["apart"]
  config.step.name = "siamese"
  assert settings_of(config, "srgb")["apart"]


def test_a_crop_is_a_square_or_has_a_width_of_its_own(config):
  assert settings_of(config, "srgb")["crop"] == 16
  config.data.crop_width = 24
  assert settings_of(config, "srgb")["crop"] == (16, 24)  # height, width


def test_a_mixture_draws_from_all_data_sets(config, data_dir):
  config.data.frames = 2  # the last segment of the other one has no more
  config.data.mix = {
    "again": base.ingredient("dark_clips", config="tiny", directory=str(data_dir), train="test")
  }
  stream = _open(config)
  names = [name.split("/")[0] for k in range(4) for name in stream.at(k)["id"]]
  assert len(names) == 8
  assert names.count("carphone") == 4  # the held-out clip is half of the mixture
  stream.iterator.close()


def test_a_data_set_that_is_not_built_says_how(config):
  config.data.mix = {"pairs": base.ingredient("paired_images", config="folders")}
  config.data.mix.pairs.dir = config.data.dir
  message = "tfds build tfds_builders/paired_images --config=folders --data_dir="
  with pytest.raises(UserError, match=message):
    _open(config)


def test_a_weight_of_none_is_named(config, data_dir):
  config.data.mix = {
    "none": base.ingredient("dark_clips", config="tiny", directory=str(data_dir), weight=0.0)
  }
  with pytest.raises(UserError, match="none: expected a weight above 0"):
    _open(config)


def test_unpaired_training_takes_no_mixture(config, data_dir):
  config.step.name = "unpaired_gan"
  config.data.mix = {"more": base.ingredient("dark_clips", directory=str(data_dir))}
  with pytest.raises(UserError, match="no mixture"):
    _open(config)
