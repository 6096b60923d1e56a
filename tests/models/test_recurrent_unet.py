"""The recurrent network: its size, its memory, and lamps that stay bright."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from llve_jax import models
from llve_jax.models import recurrent_unet
from llve_jax.models.recurrent_unet import Align, RecurrentUNet
from llve_jax.ops.space import depth_to_space

TINY = {"widths": (4, 6, 8), "blocks": (1, 1, 1), "reach": 1}


def count(module):
  clip = jax.ShapeDtypeStruct((1, 1, 16, 16, 3), jnp.float32)
  shapes = jax.eval_shape(module.init, jax.random.key(0), clip)
  return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


def test_its_small_size_is_a_few_hundred_thousand_parameters():
  assert count(models.build("recurrent_unet")) == 401_943


@pytest.fixture(scope="module")
def network():
  module = RecurrentUNet(**TINY)
  clip = np.random.default_rng(0).random((1, 3, 24, 32, 3), dtype=np.float32)
  return jax.jit(module.apply), jax.jit(module.init)(jax.random.key(0), clip), clip


def test_a_clipped_lamp_stays_white_whatever_is_learnt(network):
  apply, variables, clip = network
  lamp = clip * 0.1
  lamp[:, :, 8:16, 8:16] = 1.0
  for factor in (-20.0, 20.0):
    wild = jax.tree.map(lambda leaf, f=factor: leaf * jnp.float32(f), variables)
    out = apply(wild, lamp)["clip"]
    np.testing.assert_allclose(out[:, :, 8:16, 8:16], 1.0, atol=1e-5)


def test_the_curve_keeps_black_and_white_and_only_brightens():
  ramp = jnp.linspace(0, 1, 11, dtype=jnp.float32).reshape(1, 1, 11, 1).repeat(3, -1)
  none = jnp.zeros((1, 1, 11, 3), jnp.float32)
  for gain in (-30.0, 0.0, 30.0):
    out = np.asarray(recurrent_unet._develop(ramp, none + jnp.float32(gain), none))[0, 0, :, 0]
    assert out[0] == 0
    assert out[-1] == pytest.approx(1)
    assert (np.diff(out) > 0).all()
    assert (out >= np.linspace(0, 1, 11) - 1e-6).all()


def test_alignment_finds_what_moved():
  """Features that are sharp and unlike each other are fetched from where they went."""
  rng = np.random.default_rng(0)
  past = rng.normal(size=(1, 9, 10, 16)).astype(np.float32) * 30
  now = np.roll(past, (1, -2), (1, 2))
  module = Align(reach=2, keys=16)
  eye = {"query": {"kernel": jnp.eye(16)}, "key": {"kernel": jnp.eye(16)}}
  fetched = jax.jit(module.apply)({"params": eye}, now, past)
  inner = (slice(None), slice(3, -3), slice(3, -3))
  np.testing.assert_allclose(fetched[inner], now[inner], atol=1e-3)


def test_neighbours_beyond_the_border_are_never_fetched():
  module = Align(reach=1, keys=2)
  past = np.ones((1, 2, 2, 4), np.float32)
  variables = module.init(jax.random.key(0), past, past)
  np.testing.assert_allclose(module.apply(variables, past, past), past, rtol=1e-6)


def test_space_to_depth_is_undone():
  images = np.random.default_rng(0).random((2, 6, 8, 3), dtype=np.float32)
  halved = recurrent_unet._halve(images)
  np.testing.assert_array_equal(halved[..., 3:6], images[:, 0::2, 1::2])
  np.testing.assert_array_equal(depth_to_space(halved, 2), images)


def test_the_memory_is_bounded_and_ends_a_scene(network):
  apply, variables, clip = network
  carry = apply(variables, clip)["carry"]
  shapes = {name: leaf.shape for name, leaf in carry.items()}
  levels = {"level_0": (1, 12, 16, 4), "level_1": (1, 6, 8, 6), "level_2": (1, 3, 4, 8)}
  assert shapes == {**levels, "frame": (1, 24, 32, 3)}
  fresh = apply(variables, clip[:, :1])["clip"]
  remembered = apply(variables, clip[:, :1], carry)["clip"]
  assert np.abs(fresh - remembered).max() > 1e-5


def settle_loop(frames: np.ndarray, control: np.ndarray, past: np.ndarray) -> list[np.ndarray]:
  """The recursion of one clip [t, h, w, 3], written out in NumPy and SciPy."""
  found = []
  for frame, (longer, sensitive) in zip(frames, np.moveaxis(control, -1, 1), strict=True):
    mean = scipy.ndimage.uniform_filter(frame - past, (3, 3, 1), mode="constant")
    change = np.abs(mean).mean(axis=-1)
    scale = recurrent_unet._SENSITIVITY * np.log1p(np.exp(sensitive + 0.54))
    kept = 1 / (1 + np.exp(scale * change - 1 - longer))
    kept = kept * np.clip((1 - frame.max(axis=-1)) / (1 - recurrent_unet._HIGHLIGHT), 0, 1)
    past = frame + kept[..., None] * (past - frame)
    found.append(past)
  return found


@pytest.mark.parametrize("fresh", [True, False])
def test_frames_settle_as_the_recursion_says(fresh):
  rng = np.random.default_rng(0)
  frames = rng.random((2, 4, 9, 11, 3), dtype=np.float32) * 0.3
  frames[:, 2, 3:5] = 1.0
  control = rng.normal(size=(2, 4, 9, 11, 2)).astype(np.float32)
  past = None if fresh else rng.random((2, 9, 11, 3), dtype=np.float32) * 0.3
  settled, last = jax.jit(recurrent_unet._settle)(frames, control, past)
  for index in range(2):
    start = frames[index, 0] if past is None else past[index]
    expected = settle_loop(frames[index], control[index], start)
    np.testing.assert_allclose(settled[index], expected, atol=1e-5)
    np.testing.assert_allclose(last[index], expected[-1], atol=1e-5)
  np.testing.assert_array_equal(settled[:, 2, 3:5], 1.0)  # a lamp that goes on is white at once


def test_noise_on_a_still_scene_is_averaged_away_and_motion_is_not():
  rng = np.random.default_rng(1)
  scene = np.zeros((1, 24, 32, 32, 3), np.float32) + 0.1
  scene[:, 12:, :, 16:] = 0.5  # half of the picture brightens half way through
  noisy = scene + rng.normal(scale=0.01, size=scene.shape).astype(np.float32)
  control = np.zeros((*scene.shape[:-1], 2), np.float32)
  settled, _ = jax.jit(recurrent_unet._settle)(noisy, control, None)
  error = np.asarray(settled - scene)
  assert error[:, 6:12].std() < 0.65 * 0.01
  assert np.abs(error[:, 12, :, 18:]).max() < 0.08  # of a change by 0.4
