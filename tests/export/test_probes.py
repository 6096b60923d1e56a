import numpy as np
import pytest

from llve_jax.export import probes
from llve_jax.models.contract import Traits

SRGB = Traits(stride=1, receptive_field=1)


def test_noise_is_dark_and_differs():
  dark = probes.noise((2, 2, 16, 32), SRGB, 0)
  assert dark.dtype == np.float32
  assert 0 <= dark.min() < dark.max() <= 1 / 8
  assert dark[..., :8, :].mean() < 0.3 * dark[..., 24:, :].mean()
  assert np.abs(dark - probes.noise((2, 2, 16, 32), SRGB, 1)).max() > 0.05


def test_a_scene_is_of_8_bits_and_moves():
  scene = probes.scene((1, 2, 24, 32), SRGB)
  np.testing.assert_allclose(255 * scene, np.round(255 * scene), atol=1e-4)
  assert np.median(scene) < 0.3 < scene.max() <= 1
  assert np.abs(scene[:, 1] - scene[:, 0]).max() > 0.1


@pytest.mark.parametrize("kind", ["bayer", "xtrans", "raw_rgb"])
def test_channels_and_range_are_those_of_the_network(kind):
  traits = Traits(stride=1, receptive_field=1, input_kind=kind, value_range=(-1.0, 1.0))
  tried = probes.open_sizes(traits, None, eight_bits=True)
  assert {probe.way for probe in tried} == {"serving_default"}
  for probe in tried:
    assert probe.given.shape[-1] == traits.channels
    assert -1 <= probe.given.min() < -0.9


def test_sizes_are_what_the_network_takes():
  traits = Traits(stride=1, receptive_field=1, least_side=19, least_frames=5, frames=5)
  tried = probes.open_sizes(traits, None, eight_bits=True)
  clips = [probe.given.shape for probe in tried if probe.way == "serving_default"]
  assert min(shape[1] for shape in clips) == 5
  assert min(min(shape[2:4]) for shape in clips) == 19
  assert {probe.way for probe in tried} == {"serving_default", "frames"}  # a still is too short


def test_a_network_that_streams_gets_fifty_frames_in_a_row():
  traits = Traits(stride=1, receptive_field=1, streaming=True)
  (stream,) = [p for p in probes.open_sizes(traits, None, eight_bits=False) if p.way == "next"]
  assert stream.given.shape[:2] == (2, 50)
  fixed = probes.fixed_size(traits, (1, 1, 8, 9), np.zeros((16, 8, 9, 3), np.uint8))
  assert [(p.way, p.what) for p in fixed] == [
    ("next", "video"),
    ("next", "scene"),
    ("next", "noise"),
  ]
  assert {probe.given.shape for probe in fixed} == {(1, 8, 8, 9, 3)}
