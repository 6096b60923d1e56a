import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from jax import export

from llve_jax.errors import UserError
from llve_jax.ops.temporal_conv import conv3d, conv3d_taps

KERNELS = [(3, 3, 3), (1, 1, 1), (5, 5, 5), (2, 4, 3), (3, 1, 1)]


def random(*shape: int, seed: int = 0) -> jax.Array:
  return jnp.asarray(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def random_kernel(*sizes: int) -> jax.Array:
  """Such that a convolution keeps the size of its numbers, about 1."""
  return random(*sizes, 3, 4, seed=1) / np.float32(np.sqrt(3 * np.prod(sizes)))


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("sizes", KERNELS, ids=str)
def test_both_forms_and_their_gradients_are_tensorflows_conv3d(sizes, padding):
  clip, kernel = random(2, 5, 6, 7, 3), random_kernel(*sizes)
  with tf.GradientTape() as tape:
    watched = [tf.constant(np.asarray(each)) for each in (clip, kernel)]
    tape.watch(watched)
    expected = tf.nn.conv3d(*watched, (1, 1, 1, 1, 1), padding)
    weight = random(*expected.shape, seed=2)
    loss = tf.reduce_sum(expected * np.asarray(weight))
  slopes = tape.gradient(loss, watched)
  for form in (conv3d_taps, conv3d):
    form = jax.jit(form, static_argnames="padding")
    np.testing.assert_allclose(form(clip, kernel, padding=padding), expected, atol=1e-5, rtol=0)
    slope = jax.grad(
      lambda x, k, form=form: (form(x, k, padding=padding) * weight).sum(), argnums=(0, 1)
    )
    found = jax.jit(slope)(clip, kernel)
    for one, other in zip(found, slopes, strict=True):
      np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("sizes", KERNELS, ids=str)
def test_full_padding_is_tensorflows_transposed_convolution(sizes):
  """TensorFlow keeps the kernel the other way round, with its two channel axes exchanged."""
  clip, kernel = random(2, 1, 2, 3, 3), random_kernel(*sizes)
  shape = (2, *(n + k - 1 for n, k in zip((1, 2, 3), sizes, strict=True)), 4)
  flipped = np.flip(kernel, (0, 1, 2)).swapaxes(3, 4)
  expected = tf.nn.conv3d_transpose(np.asarray(clip), flipped, shape, 1, "VALID").numpy()
  for form in (conv3d_taps, conv3d):
    np.testing.assert_allclose(form(clip, kernel, padding="FULL"), expected, atol=1e-5, rtol=0)


def test_a_tap_looks_at_its_own_frame():
  """By hand: weights 1, 10, 100 for the frame before, the same and the next; zeros outside."""
  clip = jnp.asarray([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1, 1)
  kernel = jnp.asarray([1.0, 10.0, 100.0]).reshape(3, 1, 1, 1, 1)
  np.testing.assert_array_equal(conv3d_taps(clip, kernel).ravel(), [210.0, 321.0, 32.0])


@pytest.mark.parametrize("padding", ["SAME", "VALID", "FULL"])
def test_symbolic_sizes(padding):
  kernel = random(3, 3, 3, 2, 4) / 8
  shape = export.symbolic_shape("b, t, h, w, 2", constraints=["t >= 3", "h >= 3", "w >= 3"])
  spec = jax.ShapeDtypeStruct(shape, jnp.float32)
  exported = export.export(jax.jit(lambda x: conv3d_taps(x, kernel, padding=padding)))(spec)
  plain = jax.eval_shape(lambda x: conv3d(x, kernel, padding=padding), spec)
  assert exported.out_avals[0].shape == plain.shape
  in_two_dimensions = "[b, 0, 1, f]x" in exported.mlir_module()
  assert in_two_dimensions == (padding != "VALID"), "where JAX cannot count images, it is plain"
  clip = random(2, 4, 5, 3, 2)
  np.testing.assert_allclose(
    exported.call(clip), conv3d(clip, kernel, padding=padding), atol=1e-5, rtol=0
  )


def test_bfloat16_stays():
  clip, kernel = random(1, 2, 3, 3, 2), random(3, 3, 3, 2, 2)
  for form in (conv3d_taps, conv3d):
    assert form(clip.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.parametrize("form", [conv3d_taps, conv3d])
def test_what_does_not_fit_is_refused(form):
  clip, kernel = random(1, 2, 3, 3, 2), random(3, 3, 3, 2, 2)
  with pytest.raises(UserError, match=r"same ci; found \(1, 2, 3, 3, 2\) and \(3, 3, 3, 4, 2\)"):
    form(clip, random(3, 3, 3, 4, 2))
  with pytest.raises(UserError, match="needs a kernel"):
    form(clip[0], kernel)
  with pytest.raises(UserError, match='\'same\'; expected "SAME", "VALID" or "FULL"'):
    form(clip, kernel, padding="same")
