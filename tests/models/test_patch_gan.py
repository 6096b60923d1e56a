import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.models.patch_gan import PatchGAN


@pytest.mark.parametrize(
  ("layers", "norm", "side", "count", "map_side"),
  [
    (5, "none", 320, 11_154_369, 13),
    (4, "none", 32, 6_959_553, 5),
    (3, "none", 256, 2_764_737, 35),
    (3, "instance", 256, 2_764_737, 35),
  ],
  ids=["enlighten-global", "enlighten-local", "plain", "deblur"],
)
def test_parameter_count_and_map_size(layers, norm, side, count, map_side):
  module = models.build_critic("patch_gan", layers=layers, norm=norm)
  images = jnp.zeros((2, side, side, 3))
  shapes = jax.eval_shape(module.init, jax.random.key(0), images)
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == count
  assert jax.eval_shape(module.apply, shapes, images).shape == (2, map_side, map_side, 1)


def random(*shape: int, seed: int = 0, spread: float = 1.0) -> np.ndarray:
  return spread * np.random.default_rng(seed).random(shape, dtype=np.float32)


def made(**fields):
  """A narrow critic whose weights and biases are far from their first values."""
  module = PatchGAN(features=2, **fields)
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
  normal = np.random.default_rng(1).normal
  return module, jax.tree.map(lambda leaf: normal(0, 0.3, leaf.shape).astype(np.float32), shapes)


def conv(x: np.ndarray, params: dict, stride: int) -> np.ndarray:
  """Conv2d(kernel_size=4, padding=2) from PyTorch's documentation, pixel by pixel."""
  kernel = params["kernel"].astype(np.float64)
  x = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
  height, width = ((side - 4) // stride + 1 for side in x.shape[1:3])
  out = np.empty((x.shape[0], height, width, kernel.shape[-1]))
  for i, j in np.ndindex(height, width):
    window = x[:, i * stride : i * stride + 4, j * stride : j * stride + 4]
    out[:, i, j] = np.einsum("nyxc,yxcd->nd", window, kernel) + params["bias"]
  return out


@pytest.mark.parametrize("norm", ["none", "instance"])
@pytest.mark.parametrize("size", [(8, 8), (7, 10)])
def test_equals_pytorchs_layers(norm, size):
  """All of a critic of two layers, in numpy; the norm is neither first nor last."""
  module, variables = made(layers=2, norm=norm)
  images = random(2, *size, 3)
  x = 2.0 * images - 1.0
  for name, stride in (("conv_0", 2), ("conv_1", 2), ("conv_2", 1)):
    x = conv(x, variables["params"][name], stride)
    if norm == "instance" and name != "conv_0":
      x = (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)
    x = np.where(x > 0, x, 0.2 * x)
  expected = conv(x, variables["params"]["score"], 1)
  found = jax.jit(module.apply)(variables, images)
  np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("norm", ["none", "instance"])
def test_images_do_not_see_each_other(norm):
  module, variables = made(norm=norm)
  images = random(2, 16, 12, 3)
  other = images.copy()
  other[1] = random(16, 12, 3, seed=1, spread=0.1)
  apply = jax.jit(lambda x: module.apply(variables, x, train=True))
  before, after = apply(images), apply(other)
  np.testing.assert_array_equal(after[0], before[0])
  assert np.abs(after[1] - before[1]).max() > 1e-3


def test_the_channels_stop_at_eight_times_the_first():
  _, variables = made(layers=5)
  widths = [variables["params"][f"conv_{index}"]["bias"].size for index in range(6)]
  assert widths == [2, 4, 8, 16, 16, 16]


def test_first_weights_are_published():
  module = PatchGAN(layers=1)
  params = module.init(jax.random.key(0), jnp.zeros((1, 4, 4, 3)))["params"]
  assert np.std(params["conv_1"]["kernel"]) == pytest.approx(0.02, rel=0.02)
  assert not params["conv_1"]["bias"].any()


def test_one_pixel_leaves_a_score():
  module, variables = made(layers=3)
  assert module.apply(variables, random(1, 1, 1, 3)).shape == (1, 3, 3, 1)


@pytest.mark.parametrize("norm", ["none", "instance"])
def test_bfloat16_is_near_float32(norm):
  module, variables = made(norm=norm)
  images = random(2, 24, 24, 3)
  fine = jax.jit(module.apply)(variables, images)
  coarse = jax.jit(module.clone(dtype="bfloat16").apply)(variables, images)
  assert coarse.dtype == jnp.float32
  assert 1e-5 < np.abs(coarse - fine).max() / np.abs(fine).max() < 0.05


def test_what_does_not_fit_is_refused():
  images = random(1, 8, 8, 3)
  with pytest.raises(UserError, match='norm is \'batch\'; expected "none" or "instance"'):
    PatchGAN(norm="batch").init(jax.random.key(0), images)
  with pytest.raises(UserError, match="layers is 0; patch_gan needs at least 1"):
    PatchGAN(layers=0).init(jax.random.key(0), images)
