import itertools
import logging

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.methods.frames import DEFAULT_TILE, enhance_frames, make_plan
from llve_jax.models import build
from llve_jax.models.contract import Traits
from llve_jax.ops.resize import bilinear_double, max_pool_half, pad_to_multiple

POINT = Traits(stride=1, receptive_field=1)


class PoolAndBack(nn.Module):
  """3x3 convolutions on two levels; one output pixel depends on 1 + 4 + 1 + 8 + 4 + 4 = 22."""

  @nn.compact
  def __call__(self, clip):
    images = pad_to_multiple(clip[:, 0], 2)
    fine = nn.gelu(nn.Conv(8, (3, 3))(nn.gelu(nn.Conv(8, (3, 3))(images))))
    coarse = nn.Conv(8, (3, 3))(nn.gelu(nn.Conv(8, (3, 3))(max_pool_half(fine))))
    merged = nn.gelu(nn.Conv(8, (3, 3))(fine + bilinear_double(coarse)))
    out = nn.Conv(3, (3, 3))(merged)
    return out[:, None, : clip.shape[2], : clip.shape[3]]


TRAITS = Traits(stride=2, receptive_field=22)


@pytest.fixture(scope="module")
def network():
  module = PoolAndBack()
  variables = jax.jit(module.init)(jax.random.key(0), jnp.zeros((1, 1, 8, 8, 3)))
  shapes = []
  jitted = _stretched(lambda clip: module.apply(variables, clip))

  def apply(clip):
    shapes.append(clip.shape)
    return jitted(clip)

  apply.shapes = shapes
  return apply


def _stretched(apply):
  """Random weights hardly change anything: stretches the output of noise to fill [0, 1]."""
  clip = jnp.asarray(noise(1, 64, 64)[:, None], jnp.float32) / 255
  raw = jax.jit(apply)(clip)
  middle, spread = raw.mean(), raw.std()
  return jax.jit(lambda clip: jax.nn.sigmoid(2 * (apply(clip) - middle) / spread))


def noise(count, height, width):
  return np.random.default_rng(0).integers(0, 256, (count, height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(100, 164), (101, 163), (40, 150), (97, 31)])
def test_tiled_equals_whole_everywhere(network, height, width):
  frames = noise(2, height, width)
  whole = list(enhance_frames(network, TRAITS, frames, tile=200))
  assert {shape[2:4] for shape in network.shapes} == {(height, width)}
  network.shapes.clear()
  tiled = list(enhance_frames(network, TRAITS, frames, tile=64))
  assert len({shape for shape in network.shapes}) == 1  # one shape, so one program
  assert max(network.shapes[0][2:4]) <= 64
  network.shapes.clear()
  assert np.std(whole) > 40  # the network does something
  for one, other in zip(whole, tiled, strict=True):
    assert one.shape == other.shape == (height, width, 3)
    assert np.abs(one.astype(int) - other).max() <= 1


def test_a_halo_below_the_receptive_field_shows(network):
  """The test above can fail."""
  frames = noise(1, 100, 164)
  (whole,) = enhance_frames(network, TRAITS, frames, tile=200)
  (tiled,) = enhance_frames(network, Traits(stride=2, receptive_field=3), frames, tile=64)
  network.shapes.clear()
  assert np.abs(whole.astype(int) - tiled).max() > 3


def test_the_generator_of_the_library_tiled_equals_whole():
  module = build("turntable_unet", widths=(4, 8), bottleneck=8, cardinality=4)
  frames = noise(1, 190, 146)
  variables = jax.jit(module.init)(jax.random.key(0), jnp.zeros((1, 1, 16, 16, 3)))
  apply = _stretched(lambda clip: module.apply(variables, clip)["clip"])
  (whole,) = enhance_frames(apply, module.traits, frames, tile=200)
  (tiled,) = enhance_frames(apply, module.traits, frames, tile=112)
  assert make_plan(190, 146, module.traits, tile=112).tile_count > 3
  assert np.std(whole) > 40
  assert np.abs(whole.astype(int) - tiled).max() <= 1


@pytest.mark.parametrize("tile", [None, 48])
@pytest.mark.parametrize("count", [1, 3, 4, 7])
def test_every_frame_once_and_in_order(count, tile):
  frames = noise(count, 60, 70)
  shapes = []

  def negative(clip):
    shapes.append(clip.shape)
    return 1.0 - clip

  out = list(enhance_frames(negative, POINT, iter(frames), tile=tile, batch=3))
  np.testing.assert_array_equal(np.stack(out), 255 - frames)
  assert len(set(shapes)) == 1  # the last, shorter batch too
  assert shapes[0][0] == 3


def test_no_frames():
  assert list(enhance_frames(lambda clip: clip, POINT, iter([]))) == []


def test_values_outside_the_range_are_clipped():
  frames = noise(1, 8, 8)
  (out,) = enhance_frames(lambda clip: 4.0 * clip - 1.0, POINT, frames)
  expected = np.clip(np.round(4.0 * frames[0].astype(np.float64) - 255), 0, 255)
  np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("tile", [None, 24])
def test_memory_does_not_grow_with_the_length(tile):
  """Of a stream without end, never more than two batches have been read and not yielded."""
  read = itertools.count()
  frame = noise(1, 40, 40)[0]

  def endless():
    for _ in read:
      yield frame

  out = enhance_frames(lambda clip: clip, POINT, endless(), tile=tile, batch=4)
  for yielded in range(1, 50):
    next(out)
    has_read = int(repr(read)[6:-1])  # count(n)
    assert has_read - yielded <= 2 * 4


class TestPlan:
  def test_a_frame_that_fits_runs_whole(self):
    plan = make_plan(101, 99, TRAITS, tile=101)
    assert plan.tile_count == 1
    assert str(plan) == "99x101, whole, 1 frame at a time"

  def test_4k_tiles_are_balanced_and_aligned(self):
    traits = Traits(stride=16, receptive_field=280)
    plan = make_plan(2160, 3840, traits)
    assert plan.tile_count == 8
    assert max(plan.rows.size, plan.columns.size) <= DEFAULT_TILE
    assert plan.batch == 1
    assert plan.tile_count * plan.rows.size * plan.columns.size < 1.5 * 2160 * 3840
    assert all(start % 16 == 0 for start in plan.rows.starts + plan.columns.starts)
    assert str(plan) == (
      f"3840x2160 in 8 tiles of {plan.columns.size}x{plan.rows.size}, 1 frame at a time"
    )

  def test_batch_shrinks_with_the_frame(self):
    sizes = [(288, 352), (720, 1280), (1080, 1280)]
    assert [make_plan(*size, POINT).batch for size in sizes] == [8, 1, 1]
    assert make_plan(288, 352, POINT, tile=600).batch == 3  # a smaller tile asks for less memory
    assert make_plan(288, 352, POINT, batch=20).batch == 20

  def test_whole_frame_networks_are_not_tiled(self, caplog):
    traits = Traits(stride=8, receptive_field=100, whole_frame_only=True)
    with caplog.at_level(logging.WARNING):
      plan = make_plan(1500, 2000, traits)
    assert plan.tile_count == 1
    assert "needs the whole frame: running 2000x1500" in caplog.text
    with pytest.raises(UserError, match="statistics of the whole frame"):
      make_plan(1500, 2000, traits, tile=512)
    assert make_plan(500, 400, traits, tile=512).tile_count == 1

  def test_too_small_a_tile_names_the_least(self):
    with pytest.raises(UserError, match=r"tile of 20 .* 22 pixels .* at least (\d+)") as error:
      make_plan(100, 100, TRAITS, tile=20)
    least = int(str(error.value).rsplit(" ", 1)[1])
    assert make_plan(100, 100, TRAITS, tile=least).tile_count > 1
    assert make_plan(20, 20, TRAITS, tile=20).tile_count == 1

  @pytest.mark.parametrize(
    "traits",
    [Traits(1, 1, scale=2), Traits(1, 1, input_kind="bayer")],
  )
  def test_networks_of_another_kind_are_refused(self, traits):
    with pytest.raises(UserError, match="expected a network from sRGB frames"):
      make_plan(64, 64, traits)

  @pytest.mark.parametrize("wrong", [{"tile": 0}, {"batch": 0}])
  def test_numbers_below_one(self, wrong):
    with pytest.raises(UserError, match="at least 1"):
      make_plan(64, 64, POINT, **wrong)


def test_a_network_that_remembers_gets_its_memory_back_whole_and_in_tiles():
  """A running sum: frame k is the mean of all frames up to k, whatever the batches and tiles."""
  traits = Traits(stride=1, receptive_field=1, streaming=True)

  @jax.jit
  def step(clip, carry):
    total, count = carry if carry is not None else (jnp.zeros_like(clip[:, 0]), jnp.float32(0))
    counts = count + jnp.arange(1, clip.shape[1] + 1, dtype=jnp.float32)
    sums = total[:, None] + jnp.cumsum(clip, axis=1)
    return sums / counts[None, :, None, None, None], (sums[:, -1], counts[-1])

  frames = noise(7, 20, 30)
  expected = np.cumsum(frames / 255.0, axis=0) / np.arange(1, 8)[:, None, None, None]
  for tile in (None, 24):
    out = np.stack(list(enhance_frames(step, traits, iter(frames), tile=tile, batch=3)))
    assert np.abs(out - expected * 255).max() <= 0.51


def test_a_recurrent_network_is_run_as_it_is_called():
  module = build("recurrent_unet", widths=(4, 6), blocks=(1, 1), reach=1)
  frames = noise(5, 24, 32)
  clip = jnp.asarray(frames[None], jnp.float32) / 255
  variables = jax.jit(module.init)(jax.random.key(0), clip)

  @jax.jit
  def step(part, carry):
    result = module.apply(variables, part, carry=carry)
    return result["clip"], result["carry"]

  expected = np.clip(np.asarray(module.apply(variables, clip)["clip"][0]), 0, 1) * 255
  out = np.stack(list(enhance_frames(step, module.traits, iter(frames), batch=2)))
  assert np.abs(out - expected).max() <= 0.51


def test_networks_that_need_several_frames_are_refused():
  with pytest.raises(UserError, match="9 frames at a time"):
    make_plan(8, 8, Traits(stride=1, receptive_field=1, frames=9))
