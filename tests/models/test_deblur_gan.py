import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.models import deblur_gan
from llve_jax.models.deblur_gan import DeblurGAN

TINY = {"features": 2, "blocks": 2}


@pytest.mark.parametrize(("one_conv", "count"), [(False, 11_378_179), (True, 6_067_459)])
def test_parameter_count(one_conv, count):
  module = DeblurGAN(one_conv_blocks=one_conv)
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 16, 16, 3)))
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == count


def made(**fields):
  """A narrow network whose weights are far from their first values."""
  module = DeblurGAN(**{**TINY, **fields})
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 8, 8, 3)))
  normal = np.random.default_rng(1).normal
  return module, jax.tree.map(lambda leaf: normal(0, 0.2, leaf.shape).astype(np.float32), shapes)


def clip_of(*shape: int) -> np.ndarray:
  return np.random.default_rng(2).random((*shape, 3), dtype=np.float32)


def reflect(x: np.ndarray, width: int) -> np.ndarray:
  return np.pad(x, ((0, 0), (width, width), (width, width), (0, 0)), mode="reflect")


def conv(x: np.ndarray, params: dict, stride: int = 1) -> np.ndarray:
  """Conv2d of what is already padded, from PyTorch's documentation, pixel by pixel."""
  kernel = params["kernel"].astype(np.float64)
  size = kernel.shape[0]
  height, width = ((side - size) // stride + 1 for side in x.shape[1:3])
  out = np.empty((x.shape[0], height, width, kernel.shape[-1]))
  for i, j in np.ndindex(height, width):
    window = x[:, i * stride : i * stride + size, j * stride : j * stride + size]
    out[:, i, j] = np.einsum("nyxc,yxcd->nd", window, kernel) + params["bias"]
  return out


def transposed(x: np.ndarray, params: dict) -> np.ndarray:
  """ConvTranspose2d(3, stride=2, padding=1, output_padding=1) from PyTorch's documentation."""
  count, height, width, _ = x.shape
  out = np.zeros((count, 2 * height + 2, 2 * width + 2, params["bias"].size))
  for i, j, p, q in np.ndindex(height, width, 3, 3):
    out[:, 2 * i + p, 2 * j + q] += x[:, i, j] @ params["kernel"][p, q].astype(np.float64)
  return out[:, 1:-1, 1:-1] + params["bias"]


def norm(x: np.ndarray) -> np.ndarray:
  return (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)


def relu(x: np.ndarray) -> np.ndarray:
  return np.maximum(x, 0)


def published(params: dict, images: np.ndarray, one_conv: bool, relu_in_block: bool) -> np.ndarray:
  """The paper's layer list in float64, on [-1, 1], up to and with the tanh."""
  x = relu(norm(conv(reflect(2.0 * images - 1, 3), params["first"])))
  for name in ("half_1", "half_2"):
    zeros = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    x = relu(norm(conv(zeros, params[name], 2)))
  for name in ("block_0", "block_1"):
    y = norm(conv(reflect(x, 1), params[name]["conv_0"]))
    if relu_in_block:
      y = relu(y)
    if not one_conv:
      y = norm(conv(reflect(y, 1), params[name]["conv_1"]))
    x = x + y
  for name in ("double_1", "double_0"):
    x = relu(norm(transposed(x, params[name])))
  return np.tanh(conv(reflect(x, 3), params["head"]))


@pytest.mark.parametrize(
  ("fields", "one_conv", "relu_in_block"),
  [
    ({}, False, True),
    ({"learn_residual": False}, False, True),
    ({"one_conv_blocks": True}, True, True),
    ({"one_conv_blocks": True, "dropout": 0.0}, True, False),
  ],
  ids=["paper", "no-residual", "released", "released-without-dropout"],
)
def test_equals_pytorchs_layers(fields, one_conv, relu_in_block):
  module, variables = made(**fields)
  clip = clip_of(1, 2, 12, 16)
  images = clip.reshape(2, 12, 16, 3)
  out = published(variables["params"], images, one_conv, relu_in_block)
  if module.learn_residual:
    unclipped = 2 * images - 1 + out
    assert np.abs(unclipped).max() > 1.2, "the clip is not tested"
    out = np.clip(unclipped, -1, 1)
  found = jax.jit(module.apply)(variables, clip)["clip"]
  np.testing.assert_allclose(found, ((out + 1) / 2).reshape(clip.shape), atol=1e-5)


def test_sides_that_do_not_divide_are_reflected_and_cropped():
  module, variables = made()
  clip = clip_of(1, 1, 13, 14)
  padded = np.pad(clip, ((0, 0), (0, 0), (0, 3), (0, 2), (0, 0)), mode="reflect")
  apply = jax.jit(module.apply)
  expected = apply(variables, padded)["clip"][:, :, :13, :14]
  np.testing.assert_allclose(apply(variables, clip)["clip"], expected, atol=1e-5)


def test_a_tile_is_not_the_whole_frame():
  """Why the traits forbid tiles: instance statistics reach everywhere."""
  module, variables = made()
  assert module.traits.whole_frame_only
  clip = clip_of(1, 1, 128, 16)
  other = clip.copy()
  other[:, :, 124:] *= 0.2
  apply = jax.jit(module.apply)
  change = np.abs(apply(variables, other)["clip"] - apply(variables, clip)["clip"])
  assert module.traits.receptive_field // 2 < 100
  assert change[:, :, :24].max() > 1e-4


@pytest.mark.parametrize("one_conv", [False, True])
def test_the_receptive_field_is_that_of_the_convolutions(monkeypatch, one_conv):
  """Without the norm, no number at one pixel makes no number of all that can depend on it."""
  monkeypatch.setattr(deblur_gan, "instance_norm", lambda x: x)
  module, variables = made(one_conv_blocks=one_conv, blocks=1)
  clip = np.full((4, 1, 4, 96, 3), 0.5, np.float32)
  for phase in range(4):
    clip[phase, :, 0, 48 + phase] = np.nan
  reached = np.isnan(jax.jit(module.apply)(variables, clip)["clip"]).any((1, 2, 4))
  reach = 0
  for phase in range(4):
    places = np.flatnonzero(reached[phase]) - 48 - phase
    reach = max(reach, -places[0], places[-1])
  assert module.traits.receptive_field == 2 * reach + 1


def test_dropout_is_for_training_unless_always():
  module, variables = made(blocks=1)
  clip = clip_of(1, 1, 8, 12)

  def run(train: bool, seed: int | None, **fields) -> np.ndarray:
    rngs = {} if seed is None else {"dropout": jax.random.key(seed)}
    again = module.clone(**fields)
    apply = jax.jit(lambda v, x, rngs: again.apply(v, x, train=train, rngs=rngs)["clip"])
    return np.asarray(apply(variables, clip, rngs))

  still = run(False, None)
  for train, fields in ((True, {}), (False, {"drop_always": True})):
    first = run(train, 0, **fields)
    assert np.abs(first - still).max() > 1e-3
    np.testing.assert_array_equal(first, run(train, 0, **fields))
    assert np.abs(first - run(train, 1, **fields)).max() > 1e-3
    with pytest.raises(flax.errors.InvalidRngError, match="dropout"):
      run(train, None, **fields)
    np.testing.assert_array_equal(run(train, None, **fields, dropout=0.0), still)
