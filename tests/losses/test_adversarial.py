"""WGAN losses and the gradient penalty, against cases with known answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.losses import adversarial


@pytest.fixture
def pair():
  rng = np.random.default_rng(0)
  return [jnp.asarray(rng.uniform(size=(3, 8, 6, 3)), jnp.float32) for _ in range(2)]


def test_wgan_losses():
  real = jnp.array([[1.0, 3.0], [0.0, 0.0]]).reshape(2, 2, 1, 1)
  fake = jnp.array([[5.0, 5.0], [-1.0, 2.0]]).reshape(2, 2, 1, 1)
  np.testing.assert_allclose(adversarial.critic_loss(real, fake), [3.0, 0.5])
  np.testing.assert_allclose(adversarial.generator_loss(fake), [-5.0, -0.5])


def test_clip_weights_keeps_the_tree_and_bounds_every_leaf():
  params = {"kernel": jnp.array([-1.0, 0.005, 1.0]), "norm": {"scale": jnp.ones(2)}}
  clipped = adversarial.clip_weights(params, 0.01)
  np.testing.assert_allclose(clipped["kernel"], [-0.01, 0.005, 0.01])
  np.testing.assert_allclose(clipped["norm"]["scale"], [0.01, 0.01])


@pytest.mark.parametrize("norm", [0.25, 1.0, 3.0])
def test_linear_critic_has_the_known_penalty(pair, norm):
  w = jax.random.normal(jax.random.key(1), (8, 6, 3))
  w = w * (norm / jnp.linalg.norm(w))

  def critic(x):
    return jnp.sum(x * w, axis=(1, 2, 3), keepdims=True)

  penalty = adversarial.gradient_penalty(critic, *pair, jax.random.key(0))
  np.testing.assert_allclose(penalty, [10.0 * (norm - 1.0) ** 2] * 3, rtol=1e-5, atol=1e-9)


def test_score_map_counts_as_its_mean(pair):
  w = jax.random.normal(jax.random.key(1), (8, 6, 3))

  def critic(x):  # four scores, each from a quarter of the rows
    return jnp.sum((x * w).reshape(3, 4, 2, 6, 3), axis=(2, 3, 4))[:, :, None, None]

  expected = 2.0 * (np.linalg.norm(w) / 4.0 - 1.0) ** 2
  penalty = adversarial.gradient_penalty(critic, *pair, jax.random.key(0), weight=2.0)
  np.testing.assert_allclose(penalty, [expected] * 3, rtol=1e-5)


def test_mixing_is_drawn_per_image_between_real_and_fake():
  # D(x) = |x|^2 / 2 has slope x: with real = e, fake = 0 the penalty tells a.
  images = 64
  real = jnp.zeros((images, 2, 2, 1)).at[:, 0, 0, 0].set(0.5)

  def critic(x):
    return 0.5 * jnp.sum(x * x, axis=(1, 2, 3), keepdims=True)

  args = (critic, real, jnp.zeros_like(real))
  penalty = adversarial.gradient_penalty(*args, jax.random.key(3), weight=1.0)
  mix = (1.0 - np.sqrt(np.asarray(penalty))) / 0.5
  assert 0.0 <= mix.min() < 0.15
  assert 0.85 < mix.max() <= 1.0
  assert len(np.unique(mix.round(6))) == images
  again = adversarial.gradient_penalty(*args, jax.random.key(3), weight=1.0)
  np.testing.assert_array_equal(penalty, again)
  assert np.any(penalty != adversarial.gradient_penalty(*args, jax.random.key(4), weight=1.0))


def test_convolutional_critic_equals_tensorflow(pair):
  rng = np.random.default_rng(5)
  kernel = rng.normal(size=(3, 3, 3, 1)).astype(np.float32)

  def critic(x):
    x = jax.lax.conv_general_dilated(
      x, jnp.asarray(kernel), (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return jnp.tanh(x)

  real = pair[0]  # the same at both ends, so that a does not matter
  images = tf.constant(np.asarray(real))
  with tf.GradientTape() as tape:
    tape.watch(images)
    scores = tf.reduce_mean(tf.tanh(tf.nn.conv2d(images, kernel, 1, "VALID")), axis=(1, 2, 3))
    total = tf.reduce_sum(scores)
  norms = np.linalg.norm(tape.gradient(total, images).numpy().reshape(3, -1), axis=1)
  penalty = adversarial.gradient_penalty(critic, real, real, jax.random.key(0))
  np.testing.assert_allclose(penalty, 10.0 * (norms - 1.0) ** 2, rtol=1e-4)


def test_flat_critic_has_a_finite_gradient(pair):
  def loss(theta):
    def critic(x):
      return theta * jnp.sum(x, axis=(1, 2, 3), keepdims=True)

    return jnp.sum(adversarial.gradient_penalty(critic, *pair, jax.random.key(0)))

  value, gradient = jax.value_and_grad(loss)(jnp.float32(0.0))
  assert value == 30.0
  assert np.isfinite(gradient)


def test_wrong_shape_names_both(pair):
  with pytest.raises(ValueError, match=r"\(3, 8, 6, 3\).*\(3, 8, 5, 3\)"):
    adversarial.gradient_penalty(lambda x: x, pair[0], pair[1][:, :, :5], jax.random.key(0))
