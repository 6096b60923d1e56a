import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.errors import UserError
from llve_jax.models.cnn3d import CNN3D
from llve_jax.models.resnet_encoder import FrameFeatures

TINY = {"width": 4, "blocks": (1,)}
CLIP = np.random.default_rng(1).random((2, 3, 8, 12, 3), dtype=np.float32)


def test_parameter_count():
  """Encoder, decoder and fusion as counted for ST-CLSTM, then 80 -> 64 -> 64 -> 32 -> 12."""
  shapes = jax.eval_shape(CNN3D().init, jax.random.key(0), jnp.zeros((1, 1, 9, 9, 3)))
  layers = (27 * 80 + 1) * 64 + (27 * 64 + 1) * 64 + (27 * 64 + 1) * 32 + (32 + 1) * 12
  count = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
  assert count == 11_176_512 + 2_504_864 + 880_128 + layers == 14_866_188


@pytest.mark.parametrize("temporal", ["taps", "conv3d"])
def test_equals_the_layer_list_in_tensorflow(drawn, temporal):
  module = CNN3D(**TINY, widths=(5, 3), temporal=temporal)
  variables = drawn(module, CLIP)
  features = FrameFeatures(**TINY)
  inner = {kind: tree["features"] for kind, tree in variables.items()}
  x = np.asarray(jax.jit(features.apply)(inner, CLIP.reshape(6, 8, 12, 3)))
  x = x.reshape(2, 3, 4, 6, x.shape[-1])
  params = variables["params"]
  for name in ("conv_0", "conv_1"):
    x = tf.nn.relu(tf.nn.conv3d(x, params[name]["kernel"], [1] * 5, "SAME") + params[name]["bias"])
  x = tf.nn.conv3d(x, params["head"]["kernel"], [1] * 5, "SAME") + params["head"]["bias"]
  expected = tf.nn.depth_to_space(tf.reshape(x, (6, 4, 6, 12)), 2).numpy().reshape(CLIP.shape)
  found = jax.jit(module.apply)(variables, CLIP)["clip"]
  np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_sides_that_do_not_divide_are_reflected_and_cropped(drawn):
  module = CNN3D(**TINY, widths=(5,))
  variables = drawn(module, CLIP)
  odd = CLIP[:, :, :7, :9]
  padded = np.pad(odd, ((0, 0), (0, 0), (0, 1), (0, 3), (0, 0)), mode="reflect")
  apply = jax.jit(module.apply)
  expected = apply(variables, padded)["clip"][:, :, :7, :9]
  np.testing.assert_allclose(
    apply(variables, odd)["clip"], expected, atol=1e-5 * np.abs(expected).max()
  )


def test_traits():
  assert CNN3D().traits.frames == 7
  assert CNN3D(widths=(4,)).traits.frames == 3
  assert CNN3D().traits.stride == 32
  assert CNN3D().traits.whole_frame_only, "aligned corners depend on the size of the frame"
  assert not CNN3D(align_corners=False).traits.whole_frame_only


def test_an_unknown_input_is_refused():
  with pytest.raises(UserError, match="input_kind is 'xtrans'; expected"):
    jax.eval_shape(CNN3D(**TINY, input_kind="xtrans").init, jax.random.key(0), CLIP)
