"""The recurrent network: size, memory, view of the frame; lamps and bars that stay as they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax import models
from llve_jax.models import recurrent_unet
from llve_jax.models.frame_code import follow
from llve_jax.models.recurrent_unet import RecurrentUNet
from llve_jax.ops.space import depth_to_space
from llve_jax.ops.thumbnail import thumbnail

TINY = {"widths": (4, 6, 8), "blocks": (0, 1, 1), "decoder_blocks": (0, 1), "code": 8}


def count(module):
  clip = jax.ShapeDtypeStruct((1, 1, 16, 16, 3), jnp.float32)
  shapes = jax.eval_shape(module.init, jax.random.key(0), clip)
  return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


def test_its_size_is_a_few_hundred_thousand_parameters():
  assert count(models.build("recurrent_unet")) == 383_447


@pytest.fixture(scope="module")
def network():
  module = RecurrentUNet(**TINY)
  clip = np.random.default_rng(0).random((1, 3, 24, 32, 3), dtype=np.float32)
  return jax.jit(module.apply), jax.jit(module.init)(jax.random.key(0), clip), clip


def wild(variables, factor):
  return jax.tree.map(lambda leaf: leaf * jnp.float32(factor), variables)


@pytest.mark.parametrize("factor", [-20.0, 20.0])
def test_a_clipped_lamp_stays_white_whatever_is_learnt(network, factor):
  apply, variables, clip = network
  lamp = clip * 0.1
  lamp[:, :, 8:16, 8:16] = 1.0
  out = apply(wild(variables, factor), lamp)["clip"]
  np.testing.assert_allclose(out[:, :, 8:16, 8:16], 1.0, atol=1e-4)


@pytest.mark.parametrize("factor", [-20.0, 20.0])
def test_black_bars_stay_black_whatever_is_learnt(network, factor):
  apply, variables, clip = network
  boxed = clip * 0.1
  boxed[:, :, :8] = 0.0
  boxed[:, :, -1:] = 0.0
  out = apply(wild(variables, factor), boxed)["clip"]
  np.testing.assert_allclose(out[:, :, :6], 0.0, atol=1e-4)  # two lines are near the picture


def test_tiles_with_the_view_of_the_whole_frame_are_parts_of_it(network):
  """Four frames, each tile with a memory of its own, beside the whole."""
  apply, variables, _ = network
  field, stride = RecurrentUNet(**TINY).traits.receptive_field, RecurrentUNet(**TINY).traits.stride
  margin = -(-(field // 2) // stride) * stride
  rng = np.random.default_rng(2)
  clip = 0.3 * rng.random((1, 4, 40, 2 * margin + 64, 3), dtype=np.float32)
  clip *= np.linspace(0.1, 1, clip.shape[3], dtype=np.float32)[:, None]  # one side is darker
  view = thumbnail(jnp.asarray(clip), 64)
  whole = np.asarray(apply(variables, clip)["clip"])
  for tile in (slice(0, margin + 32), slice(margin + 32 - margin, None)):
    parts, carry = [], None
    for t in range(4):
      result = apply(variables, clip[:, t : t + 1, :, tile], carry, view[:, t : t + 1])
      parts.append(np.asarray(result["clip"]))
      carry = result["carry"]
    found = np.concatenate(parts, axis=1)
    kept = slice(0, 32) if tile.start == 0 else slice(margin, None)
    np.testing.assert_allclose(found[:, :, :, kept], whole[:, :, :, tile][:, :, :, kept], atol=1e-5)


def test_what_is_known_of_the_frame_follows_slowly():
  codes = jnp.asarray([[[0.0], [1.0], [1.0]]])
  smooth, last = follow(codes, None, 0.1)
  np.testing.assert_allclose(smooth[0, :, 0], [0.0, 0.1, 0.19], rtol=1e-5)
  np.testing.assert_allclose(last, [[0.19]], rtol=1e-5)
  again, _ = follow(codes[:, 1:], last, 0.1)
  np.testing.assert_allclose(again[0, :, 0], [0.271, 0.3439], rtol=1e-5)
  alone, _ = follow(codes[:, 1:2], None, 0.1)
  np.testing.assert_array_equal(alone, codes[:, 1:2])


def test_a_lamp_that_goes_on_moves_the_exposure_slowly(network):
  apply, variables, clip = network
  dark = np.repeat(clip[:, :1] * 0.05, 2, axis=1)
  dark[:, 1, :, 16:] = 0.9
  left = (slice(None), slice(0, 8), slice(0, 2))
  jump = apply(variables, dark[:, 1:])["clip"][:, 0][left].mean()
  steady = apply(variables, dark)["clip"]
  before, after = (steady[:, t][left].mean() for t in (0, 1))
  assert abs(after - before) < 0.5 * abs(jump - before)


def test_space_to_depth_is_undone():
  images = np.random.default_rng(0).random((2, 6, 8, 3), dtype=np.float32)
  halved = recurrent_unet._halve(images)
  np.testing.assert_array_equal(halved[..., 3:6], images[:, 0::2, 1::2])
  np.testing.assert_array_equal(depth_to_space(halved, 2), images)


def test_the_memory_is_bounded_and_ends_a_scene(network):
  apply, variables, clip = network
  carry = apply(variables, clip)["carry"]
  shapes = {name: leaf.shape for name, leaf in carry.items()}
  halved = {"frame": (1, 12, 16, 12), "count": (1, 12, 16, 1)}
  assert shapes == {**halved, "features": (1, 3, 4, 8), "code": (1, 10)}
  fresh = apply(variables, clip[:, :1])["clip"]
  remembered = apply(variables, clip[:, :1], carry)["clip"]
  assert np.abs(fresh - remembered).max() > 1e-5
