import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.models.mbllven import MBLLVEN


def shapes_of(module, *size):
  return jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, *size, 1)))


def test_parameter_count_and_needs_as_published():
  module = MBLLVEN()
  shapes = shapes_of(module, 13, 13, 13)
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == 681_682
  assert module.traits.least_frames == module.traits.least_side == 13


@pytest.mark.parametrize("size", [(12, 16, 16), (13, 12, 16), (13, 16, 12)])
def test_a_clip_that_the_branches_would_use_up_is_refused(size):
  with pytest.raises(ValueError, match=r"mbllven needs .* 13 .*at least, found"):
    shapes_of(MBLLVEN(), *size)


@pytest.mark.parametrize("temporal", ["taps", "conv3d"])
def test_equals_the_layer_list_in_tensorflow(temporal):
  """As published but for its widths, on the smallest clip and on a larger one."""
  module = MBLLVEN(
    features=5, branches=2, encoder=(3, 4, 5, 4), decoder=(4, 5, 3), temporal=temporal
  )
  random = np.random.default_rng(0)

  def draw(leaf):
    scale = (2 / np.prod(leaf.shape[:-1])) ** 0.5 if leaf.ndim > 1 else 0.1
    return (scale * random.normal(size=leaf.shape)).astype(np.float32)

  variables = jax.tree.map(draw, shapes_of(module, 13, 13, 13))
  params = variables["params"]

  def conv(x, layer, padding="SAME"):
    return tf.nn.conv3d(x, layer["kernel"], (1, 1, 1, 1, 1), padding) + layer["bias"]

  def transposed(x, layer):
    # TensorFlow keeps the kernel the other way round, with its two channel axes exchanged.
    kernel = np.flip(layer["kernel"], (0, 1, 2)).swapaxes(3, 4)
    shape = (x.shape[0], *(n + 4 for n in x.shape[1:4]), kernel.shape[3])
    return tf.nn.conv3d_transpose(x, kernel, shape, 1, "VALID") + layer["bias"]

  def expected(clip):
    rest, parts = clip, [clip]
    for depth in range(2):
      x = tf.nn.leaky_relu(conv(rest, params[f"features_{depth}"]), 0.2)
      branch, part = params[f"branch_{depth}"], x[..., :3]
      for index in range(4):
        padding = "VALID" if index else "SAME"
        part = tf.nn.leaky_relu(conv(part, branch[f"encoder_{index}"], padding), 0.2)
      for index in range(3):
        part = tf.nn.leaky_relu(transposed(part, branch[f"decoder_{index}"]), 0.2)
      parts.append(part)
      rest = x[..., 3:]
    return conv(tf.concat(parts, -1), params["head"])

  for size in ((1, 13, 13, 13), (2, 14, 17, 15)):
    clip = random.random((*size, 1), dtype=np.float32)
    found = jax.jit(module.apply)(variables, clip)["clip"]
    assert np.abs(found).max() > 0.1
    np.testing.assert_allclose(found, expected(clip), atol=1e-5, rtol=1e-5)
