"""Whole clips through networks: in pieces the result is that of one call."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax import models
from llve_jax.data.clips import EvalClip
from llve_jax.errors import UserError
from llve_jax.methods import clips
from llve_jax.methods.clips import Compiled, network_method
from llve_jax.models.contract import Traits


def make_clip(frames, size=(12, 16), channels=None, scale=1, name="street"):
  """An sRGB clip, or one whose light has that many channels and a target `scale` times as large."""
  rng = np.random.default_rng(frames)
  target = (frames, scale * size[0], scale * size[1], 3)
  low, high = (rng.integers(0, 256, target).astype(np.uint8) for _ in range(2))
  light = None if channels is None else rng.random((frames, *size, channels), np.float32)
  return EvalClip(name, 0, 25.0, low, high, light)


def bound(name, clip, **kwargs):
  module = models.build(name, **kwargs)
  shape = (1, module.traits.least_frames, *given(clip).shape[1:])
  variables = jax.jit(module.init)(jax.random.key(0), jnp.zeros(shape))
  return Compiled(module).bind(variables)


def given(clip):
  return clip.low.astype(np.float32) / 255 if clip.light is None else clip.light


def whole(network, clip):
  """All frames in one call, frames last clipped."""
  return np.clip(np.asarray(network(jnp.asarray(given(clip)[None])))[0], 0, 1)


class Wrapped:
  """Notes what a network is asked."""

  def __init__(self, network, traits=None):
    self.network, self.traits = network, traits or network.traits
    self.shapes = []

  def __call__(self, clip):
    self.shapes.append(clip.shape)
    return self.network(clip)

  def stream(self, clip, carry):
    self.shapes.append((clip.shape, carry is None))
    return self.network.stream(clip, carry)


def invert(clip):
  return {"clip": 1.0 - clip}


@pytest.mark.parametrize("frames", [1, 4, 5, 8, 11])
def test_a_network_of_single_frames_gets_batches_of_one_size(frames):
  clip = make_clip(frames)
  network = Wrapped(invert, Traits(stride=1, receptive_field=1))
  out = network_method(network, batch=4)(clip)
  assert out.dtype == np.uint8
  np.testing.assert_array_equal(out, 255 - clip.low)
  assert set(network.shapes) == {(4, 1, 12, 16, 3)}
  assert len(network.shapes) == -(-frames // 4)


def test_results_are_clipped_and_rounded_as_a_file():
  clip = make_clip(1, (1, 3))
  traits = Traits(stride=1, receptive_field=1)
  outputs = {-0.3: 0, 0.4 / 255: 0, 0.6 / 255: 1, 254.6 / 255: 255, 7.0: 255}
  for value, expected in outputs.items():
    network = Wrapped(lambda clip, value=value: jnp.full_like(clip, value), traits)
    np.testing.assert_array_equal(network_method(network)(clip), np.full_like(clip.low, expected))
    floats = network_method(network, rounded=False)(clip)
    assert floats.dtype == np.float32
    np.testing.assert_allclose(floats, np.clip(value, 0, 1))


def test_large_frames_come_one_by_one(monkeypatch):
  monkeypatch.setattr(clips, "_PIXELS", 12 * 16 * 2)
  network = Wrapped(invert, Traits(stride=1, receptive_field=1))
  network_method(network, batch=4)(make_clip(4))
  assert network.shapes == [(2, 1, 12, 16, 3)] * 2


@pytest.mark.parametrize(
  ("name", "kwargs"),
  [
    ("recurrent_unet", {"widths": (4, 8), "blocks": (1, 1), "reach": 1}),
    ("conv_lstm", {"width": 4, "blocks": (1, 1)}),
  ],
)
def test_a_stream_gives_what_the_whole_clip_gives(name, kwargs):
  clip = make_clip(7, channels=3)
  network = Wrapped(bound(name, clip, **kwargs))
  method = network_method(network, batch=3, rounded=False)
  expected = whole(network.network, clip)
  np.testing.assert_allclose(method(clip), expected, atol=2e-5)
  # One shape, and a fresh memory for every clip.
  assert network.shapes == [((1, 3, 12, 16, 3), first) for first in (True, False, False)]
  np.testing.assert_allclose(method(clip), expected, atol=2e-5)
  # The memory matters: frames by themselves come out differently.
  alone = np.concatenate([whole(network.network, clip.part(slice(k, k + 1))) for k in range(7)])
  assert np.abs(alone - expected)[1:].max() > 1e-3


@pytest.mark.parametrize(
  ("name", "kwargs", "channels", "scale", "halo", "least"),
  [
    ("unet3d", {"depth": 1, "base": 4}, 4, 2, 6, 1),
    ("cnn3d", {"width": 4, "blocks": (1, 1), "widths": (4,), "align_corners": False}, 3, 1, 1, 1),
    ("kpn", {"widths": (4, 4, 4), "burst": 3, "kernel": 3}, None, 1, 1, 1),
    ("mbllven", {"features": 4, "branches": 1, "encoder": (2, 3), "decoder": (3,)}, 1, 1, 6, 5),
  ],
)
@pytest.mark.parametrize("frames", [5, 37])
def test_windows_give_what_the_whole_clip_gives(
  monkeypatch, name, kwargs, channels, scale, halo, least, frames
):
  clip = make_clip(frames, (8, 12), channels, scale)
  network = bound(name, clip, **kwargs)
  assert network.traits.frames // 2 == halo
  assert network.traits.least_frames == least
  expected = whole(network, clip)
  monkeypatch.setattr(clips, "_WINDOW_PIXELS", 1)
  asked = Wrapped(network)
  found = network_method(asked, batch=4, rounded=False)(clip)
  np.testing.assert_allclose(found, expected, atol=2e-5)
  assert len(set(asked.shapes)) == 1
  assert (len(asked.shapes) > 1) == (frames == 37)


def test_neighbouring_frames_matter_to_a_window():
  """Else the test above would pass with any windows."""
  clip = make_clip(13, (8, 12), 4, 2)
  network = bound("unet3d", clip, depth=1, base=4)
  expected = whole(network, clip)
  cut = np.concatenate([whole(network, clip.part(slice(k, k + 1))) for k in range(13)])
  assert np.abs(cut - expected).max() > 1e-3


def test_windows_of_small_frames_are_whole_clips():
  network = Wrapped(invert, Traits(stride=1, receptive_field=1, frames=5))
  network_method(network, batch=1)(make_clip(40))
  assert network.shapes == [(1, 40, 12, 16, 3)]


class Noisy(nn.Module):
  """Stands for a network with a gain."""

  traits = Traits(stride=1, receptive_field=1)

  @nn.compact
  def __call__(self, clip):
    return {"clip": clip * self.param("gain", nn.initializers.ones, ())}


def test_other_weights_need_no_other_compilation():
  compiled = Compiled(Noisy())
  clip = make_clip(2)
  dark, bright = (
    network_method(compiled.bind({"params": {"gain": jnp.array(gain)}}))(clip)
    for gain in (0.5, 1.0)
  )
  np.testing.assert_array_equal(bright, clip.low)
  assert dark.mean() < 0.6 * bright.mean()
  assert compiled.apply._cache_size() == 1


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (
      {"input_kind": "bayer"},
      r"clip street: the network takes bayer frames of 4 channel\(s\), found",
    ),
    ({"least_frames": 5, "frames": 9}, r"clip street has 3 frame\(s\), but the network needs 5"),
  ],
)
def test_clips_that_do_not_fit_are_named(change, message):
  traits = dataclasses.replace(Traits(stride=1, receptive_field=1), **change)
  with pytest.raises(UserError, match=message):
    network_method(Wrapped(invert, traits))(make_clip(3))
