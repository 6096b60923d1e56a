import dataclasses

import jax
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.export import command, formats, parity, planes
from llve_jax.export.options import Options
from llve_jax.models.contract import Traits
from tests.export.conftest import run

WINDOW = Traits(stride=1, receptive_field=1, frames=5, least_frames=3, least_side=16)


def test_planes_are_frames_behind_each_other():
  clip = np.arange(2 * 4 * 5 * 3.0).reshape(1, 2, 4, 5, 3)
  stacked = np.concatenate([planes.planes_of(clip[:, 0]), planes.planes_of(clip[:, 1])], axis=1)
  np.testing.assert_array_equal(planes.clip_of(stacked), clip)


def test_the_middle_is_shown_and_of_one_that_streams_the_last():
  clip = np.arange(5)[None, :, None, None, None]
  assert planes.frame_of(clip, WINDOW).item() == 2
  assert planes.frame_of(clip, dataclasses.replace(WINDOW, streaming=True)).item() == 4


def test_the_program_looks_back_as_far_as_it_is_asked_to(trail):
  signature = planes.signature(trail, 3, None)
  assert str(signature) == (
    "serving_default: frame float32 [1, 9, h, w] -> frame float32 [1, 3, h, w]"
  )
  given = np.random.default_rng(0).random((1, 9, 4, 5), dtype=np.float32)
  found = jax.jit(signature.apply)(trail.variables, {"frame": given})["frame"]
  whole = run(trail, planes.clip_of(given))
  np.testing.assert_allclose(found, planes.planes_of(whole[:, -1]), atol=1e-6)


def test_planes_are_brought_to_the_range_of_the_network(signed_gain):
  given = np.random.default_rng(0).random((1, 3, 4, 5), dtype=np.float32)
  signature = planes.signature(signed_gain, 1, (4, 5))
  found = jax.jit(signature.apply)(signed_gain.variables, {"frame": given})["frame"]
  np.testing.assert_allclose(found, np.clip(2 * (2 * given - 1), 0, 1), atol=1e-6)


def test_sizes_are_fixed_or_as_the_network_asks(gain):
  fixed = planes.signature(gain, 1, (6, 8))
  assert fixed.inputs["frame"].shape == fixed.outputs["frame"].shape == (1, 3, 6, 8)
  (first, second, scene) = planes.probes(WINDOW, 5, None, None)
  assert (first.given.shape, second.given.shape) == ((1, 15, 33, 47), (1, 15, 16, 16))
  assert str(scene) == "planes, scene of 1 x 15 x 45 x 64"
  assert all(0 <= probe.given.min() < probe.given.max() <= 1 for probe in (first, second, scene))
  real = np.zeros((16, 20, 24, 3), np.uint8)
  probes = planes.probes(WINDOW, 5, (20, 24), real)
  assert [probe.what for probe in probes] == ["video", "noise", "scene"]
  assert {probe.given.shape for probe in probes} == {(1, 15, 20, 24)}


def test_players_hold_no_raw_light():
  planes.check(WINDOW)
  with pytest.raises(UserError, match="this network takes bayer clips"):
    planes.check(dataclasses.replace(WINDOW, input_kind="bayer"))


@pytest.mark.parametrize(("layout", "told"), [("clip", "[-1, 1]"), ("nchw", "[0, 1]")])
def test_the_range_that_is_told_is_that_of_the_layout(signed_gain, tmp_path, layout, told):
  """Players give values from 0 to 1, whatever the network takes."""
  trial = parity.Trial("planes, noise of 1", 0.0, 0.0, np.inf)
  written = formats.Written(["serving_default: frame -> frame"], parity.Parity((trial,), 0.0))
  options = Options(layout=layout, size=(4, 5))
  said = command._said(signed_gain, "gain", tmp_path, "onnx", options, written)
  assert f"values of float32 inputs are srgb in {told}\n" in said
