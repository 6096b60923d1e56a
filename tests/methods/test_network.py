"""Streams of frames through networks: in pieces and tiles the result is that of one call."""

import dataclasses
import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.methods import plan
from llve_jax.methods.compiled import Compiled, pure
from llve_jax.methods.network import Network, of
from llve_jax.models.contract import Traits
from llve_jax.ops.resize import bilinear_double, max_pool_half, pad_to_multiple
from llve_jax.zoo.trained import Trained
from tests.methods.networks import POINT, Noted, noise, of_function, of_model


class PoolAndBack(nn.Module):
  """3x3 convolutions on two levels; one output pixel depends on 1 + 4 + 1 + 8 + 4 + 4 = 22."""

  traits = Traits(stride=2, receptive_field=22)

  @nn.compact
  def __call__(self, clip):
    images = pad_to_multiple(clip[:, 0], 2)
    fine = nn.gelu(nn.Conv(8, (3, 3))(nn.gelu(nn.Conv(8, (3, 3))(images))))
    coarse = nn.Conv(8, (3, 3))(nn.gelu(nn.Conv(8, (3, 3))(max_pool_half(fine))))
    merged = nn.gelu(nn.Conv(8, (3, 3))(fine + bilinear_double(coarse)))
    out = 0.5 + 3 * nn.Conv(3, (3, 3))(merged)  # random weights hardly change anything
    return {"clip": out[:, None, : clip.shape[2], : clip.shape[3]]}


@pytest.fixture(scope="module")
def variables():
  return jax.jit(PoolAndBack().init)(jax.random.key(0), jnp.zeros((1, 1, 8, 8, 3)))


def pool(variables, tile, module=None):
  compiled = Noted(module or PoolAndBack())
  return Network("pool", compiled, variables, tile=tile), compiled


@pytest.mark.parametrize("rounded", [True, False])
@pytest.mark.parametrize(("height", "width"), [(100, 164), (101, 163), (40, 150), (97, 31)])
def test_tiled_equals_whole_everywhere(variables, height, width, rounded):
  frames = noise(2, height, width)
  network, compiled = pool(variables, 200)
  whole = network(frames, rounded=rounded)
  assert {shape[1:3] for shape in compiled.shapes} == {(height, width)}
  network, compiled = pool(variables, 64)
  tiled = network(frames, rounded=rounded)
  assert len(set(compiled.shapes)) == 1  # one shape, so one program
  assert max(compiled.shapes[0][1:3]) <= 64
  assert whole.shape == tiled.shape == (2, height, width, 3)
  assert whole.dtype == tiled.dtype == (np.uint8 if rounded else np.float32)
  scale = 1 if rounded else 255
  assert scale * np.std(whole) > 25  # the network does something
  assert scale * np.abs(whole.astype(float) - tiled).max() <= (1 if rounded else 0.01)


def test_a_halo_below_the_receptive_field_shows(variables):
  """The test above can fail."""
  frames = noise(1, 100, 164)
  module = PoolAndBack()
  object.__setattr__(module, "traits", Traits(stride=2, receptive_field=3))
  whole, tiled = (pool(variables, tile, module)[0](frames) for tile in (200, 64))
  assert np.abs(whole.astype(int) - tiled).max() > 3


def test_tiles_of_a_network_that_enlarges(variables):
  """Bayer networks give twice the size; every tile lands at twice its place."""
  del variables
  traits = Traits(stride=2, receptive_field=5, scale=2)

  def enlarge(clip):
    return jnp.repeat(jnp.repeat(clip, 2, axis=2), 2, axis=3)

  frames = noise(3, 50, 41)
  found = of_function(enlarge, traits, tile=32)[0](frames)
  np.testing.assert_array_equal(found, frames.repeat(2, axis=1).repeat(2, axis=2))


def test_the_generator_of_the_library_tiled_equals_whole():
  fields = {"widths": (4, 8), "bottleneck": 8, "cardinality": 4}
  frames = noise(1, 190, 146)
  whole = of_model("turntable_unet", fields, tile=200)[0](frames, rounded=False)
  network, compiled, _ = of_model("turntable_unet", fields, tile=112)
  tiled = network(frames, rounded=False)
  assert len(compiled.shapes) > 3
  assert np.std(whole) > 0.05
  np.testing.assert_allclose(whole, tiled, atol=2e-5)


@pytest.mark.parametrize("tile", [None, 48])
@pytest.mark.parametrize("count", [1, 3, 4, 7])
def test_every_frame_once_and_in_order(count, tile):
  frames = noise(count, 60, 70)
  network, compiled = of_function(lambda clip: 1.0 - clip, tile=tile, batch=3)
  np.testing.assert_array_equal(np.stack(list(network.stream(iter(frames)))), 255 - frames)
  assert len(set(compiled.shapes)) == 1  # the last, shorter batch too
  assert compiled.shapes[0][0] == 3


def test_no_frames():
  assert list(of_function(lambda clip: clip)[0].stream(iter([]))) == []


def test_results_are_clipped_and_rounded_as_a_file():
  frames = noise(1, 4, 4)
  outputs = {-0.3: 0, 0.4 / 255: 0, 0.6 / 255: 1, 254.6 / 255: 255, 7.0: 255}
  for value, expected in outputs.items():
    network, _ = of_function(lambda clip, value=value: jnp.full_like(clip, value))
    np.testing.assert_array_equal(network(frames), np.full_like(frames, expected))
    floats = network(frames, rounded=False)
    assert floats.dtype == np.float32
    np.testing.assert_allclose(floats, np.clip(value, 0, 1))


@pytest.mark.parametrize("tile", [None, 24])
@pytest.mark.parametrize("traits", [POINT, Traits(1, 1, frames=3)], ids=["frames", "windows"])
def test_memory_does_not_grow_with_the_length(monkeypatch, tile, traits):
  """Of a stream without end, never more than two pieces have been read and not yielded."""
  monkeypatch.setattr(plan, "_WINDOW_PIXELS", 1)
  read = itertools.count()
  frame = noise(1, 40, 40)[0]

  def endless():
    for _ in read:
      yield frame

  network, _ = of_function(lambda clip: clip, traits, tile=tile, batch=4)
  out = network.stream(endless())
  for yielded in range(1, 50):
    next(out)
    has_read = int(repr(read)[6:-1])  # count(n)
    assert has_read - yielded <= 2 * 4 + 6


@pytest.mark.parametrize("tile", [None, 24])
def test_a_network_that_remembers_gets_its_memory_back_whole_and_in_tiles(tile):
  """A running mean: frame k is the mean of all frames up to k, whatever the batches and tiles."""

  def step(clip, carry):
    total, count = carry if carry is not None else (jnp.zeros_like(clip[:, 0]), jnp.float32(0))
    counts = count + jnp.arange(1, clip.shape[1] + 1, dtype=jnp.float32)
    sums = total[:, None] + jnp.cumsum(clip, axis=1)
    return sums / counts[None, :, None, None, None], (sums[:, -1], counts[-1])

  frames = noise(1, 20, 30) // 2 + noise(7, 20, 30) // 4  # one scene
  expected = np.cumsum(frames / 255.0, axis=0) / np.arange(1, 8)[:, None, None, None]
  traits = Traits(stride=1, receptive_field=1, streaming=True)
  network, _ = of_function(step, traits, tile=tile, batch=3)
  for _ in range(2):  # a second video starts anew
    assert np.abs(network(frames) - expected * 255).max() <= 0.51


def test_a_cut_drops_the_memory():
  """The second shot comes out as if it were alone."""
  fields = {"widths": (4, 8), "blocks": (1, 1), "decoder_blocks": (1,), "reach": 1}
  first, second = np.zeros((2, 3, 48, 64, 3), np.uint8)
  first[:, :, 32:], second[:, 24:] = 120, 90
  network, compiled, _ = of_model("recurrent_unet", fields, batch=2)
  joined = network(np.concatenate([first, second]))
  np.testing.assert_array_equal(joined[3:], network(second))
  assert [fresh for _, fresh in compiled.asked[:4]] == [True, False, True, False]


def whole_clip(network, variables, clip):
  """All frames in one call."""
  apply = jax.jit(pure(network))
  return np.asarray(apply(variables, jnp.asarray(clip[None], jnp.float32))[0][0])


@pytest.mark.parametrize(
  ("name", "fields"),
  [
    ("recurrent_unet", {"widths": (4, 8), "blocks": (1, 1), "decoder_blocks": (1,), "reach": 1}),
    ("conv_lstm", {"width": 4, "blocks": (1, 1)}),
  ],
)
def test_a_stream_gives_what_the_whole_clip_gives(name, fields):
  random = np.random.default_rng(7)
  clip = 0.6 * random.random((12, 16, 3), np.float32)  # one scene,
  clip = clip + 0.4 * random.random((7, 12, 16, 3), np.float32)
  network, compiled, variables = of_model(name, fields, batch=3)
  expected = whole_clip(module_of(name, fields), variables, clip)
  np.testing.assert_allclose(network(clip, rounded=False), expected, atol=2e-5)
  # One shape, and a fresh memory for every video.
  assert compiled.asked == [((3, 12, 16, 3), first) for first in (True, False, False)]
  np.testing.assert_allclose(network(clip, rounded=False), expected, atol=2e-5)
  # The memory matters: frames by themselves come out differently.
  alone = np.concatenate([network(frame[None], rounded=False) for frame in clip])
  assert np.abs(alone - expected)[1:].max() > 1e-3


def module_of(name, fields):
  from llve_jax import models

  return models.build(name, **fields)


@pytest.mark.parametrize(
  ("name", "fields", "channels", "halo", "least"),
  [
    ("unet3d", {"depth": 1, "base": 4}, 4, 6, 1),
    ("cnn3d", {"width": 4, "blocks": (1, 1), "widths": (4,), "align_corners": False}, 3, 1, 1),
    ("kpn", {"widths": (4, 4, 4), "burst": 3, "kernel": 3}, 3, 1, 1),
    ("mbllven", {"features": 4, "branches": 1, "encoder": (2, 3), "decoder": (3,)}, 1, 6, 5),
  ],
)
@pytest.mark.parametrize("frames", [5, 37])
def test_windows_give_what_the_whole_clip_gives(
  monkeypatch, name, fields, channels, halo, least, frames
):
  clip = np.random.default_rng(frames).random((frames, 8, 12, channels), np.float32)
  monkeypatch.setattr(plan, "_WINDOW_PIXELS", 1)
  network, compiled, variables = of_model(name, fields, batch=4)
  assert network.traits.frames // 2 == halo
  assert network.traits.least_frames == least
  expected = whole_clip(module_of(name, fields), variables, clip)
  np.testing.assert_allclose(network(clip, rounded=False), expected, atol=2e-5)
  assert len(set(compiled.shapes)) == 1
  assert (len(compiled.shapes) > 1) == (frames == 37)


def test_neighbouring_frames_matter_to_a_window():
  """Else the test above would pass with any windows."""
  clip = np.random.default_rng(0).random((13, 8, 12, 4), np.float32)
  network, _, _ = of_model("unet3d", {"depth": 1, "base": 4})
  expected = network(clip, rounded=False)
  cut = np.concatenate([network(frame[None], rounded=False) for frame in clip])
  assert np.abs(cut - expected).max() > 1e-3


class Gain(nn.Module):
  """Stands for a network with a gain."""

  traits = POINT

  @nn.compact
  def __call__(self, clip):
    return {"clip": clip * self.param("gain", nn.initializers.ones, ())}


def test_other_weights_need_no_other_compilation():
  compiled = Compiled(Gain())
  frames = noise(2, 12, 16)
  dark, bright = (
    Network("gain", compiled, {"params": {"gain": jnp.array(gain)}})(frames) for gain in (0.5, 1.0)
  )
  np.testing.assert_array_equal(bright, frames)
  assert dark.mean() < 0.6 * bright.mean()
  assert compiled._jitted._cache_size() == 1


@pytest.mark.parametrize(
  ("change", "frames", "message"),
  [
    ({"input_kind": "bayer"}, noise(3, 8, 8), r"takes bayer frames of 4 channel\(s\), found"),
    ({"input_kind": "raw_rgb"}, noise(3, 8, 8), "takes raw_rgb frames as float32, found uint8"),
    ({}, noise(3, 8, 8).astype(np.float64), "as float32, uint8 or uint16, found float64"),
    ({"least_frames": 5, "frames": 9}, noise(3, 8, 8), "expected 5 frames at least"),
    ({"least_side": 9}, noise(3, 8, 8), "frames of 9x9 pixels at least, found 8x8"),
  ],
)
def test_frames_that_do_not_fit_are_refused(change, frames, message):
  network, _ = of_function(lambda clip: 1.0 - clip, dataclasses.replace(POINT, **change))
  with pytest.raises(UserError, match=message):
    network(frames)
  with pytest.raises(UserError, match=r"takes clips \[t, h, w, c\]"):
    network(frames[0])


def test_a_trained_network_as_a_method():
  trained = Trained("gain", {}, Gain(), {"params": {"gain": jnp.array(0.5)}}, {"step": 3})
  method = of(trained, batch=2)
  assert (method.name, method.takes, method.origin) == ("gain", "srgb", {"step": 3})
  assert method.about(20, 30) == "gain: 30x20, whole, 2 frames at a time"
  frames = noise(3, 20, 30)
  assert np.abs(method(frames) - frames / 2.0).max() <= 0.51
  with pytest.raises(UserError, match="leave --tile out"):
    of(trained, rows=2, tile=64)
