"""Adversarial losses and the gradient penalty, against TensorFlow and cases with known answers."""

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
  w = jax.random.normal(jax.random.key(1), (1, 8, 6, 3))
  w = w * (norm / jnp.linalg.norm(w))

  def critic(x):
    return jnp.sum(x * w, axis=(1, 2, 3), keepdims=True)

  penalty = adversarial.gradient_penalty(critic, *pair, jax.random.key(0))
  np.testing.assert_allclose(penalty, [10.0 * (norm - 1.0) ** 2] * 3, rtol=1e-5, atol=1e-9)


def test_score_map_counts_as_its_mean(pair):
  w = jax.random.normal(jax.random.key(1), (1, 8, 6, 3))

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


@pytest.fixture
def scores():
  rng = np.random.default_rng(7)
  return [jnp.asarray(rng.normal(scale=3, size=(4, 5, 6, 1)), jnp.float32) for _ in range(2)]


def test_cross_entropy_equals_tensorflow(scores):
  entropy = tf.nn.sigmoid_cross_entropy_with_logits
  real, fake = map(np.asarray, scores)
  known_real = tf.reduce_mean(entropy(tf.ones_like(real), real), (1, 2, 3))
  known_fake = tf.reduce_mean(entropy(tf.zeros_like(fake), fake), (1, 2, 3))
  found = adversarial.bce_critic_loss(*scores)
  np.testing.assert_allclose(found, known_real + known_fake, rtol=1e-5)
  fooled = tf.reduce_mean(entropy(tf.ones_like(fake), fake), (1, 2, 3))
  np.testing.assert_allclose(adversarial.bce_generator_loss(scores[1]), fooled, rtol=1e-5)
  extreme = jnp.full((1, 1, 1, 1), 1e4)
  np.testing.assert_allclose(adversarial.bce_critic_loss(extreme, extreme), [1e4])


def test_least_squares_by_hand():
  real = jnp.array([[1.0, 3.0], [0.0, 0.5]]).reshape(2, 2, 1, 1)
  fake = jnp.array([[0.0, 2.0], [1.0, -1.0]]).reshape(2, 2, 1, 1)
  np.testing.assert_allclose(
    adversarial.lsgan_critic_loss(real, fake), [0.5 * (2 + 2), 0.5 * (0.625 + 1)]
  )
  np.testing.assert_allclose(adversarial.lsgan_generator_loss(fake), [1.0, 2.0])


def test_relativistic_equals_the_formula_over_the_batch(scores):
  real, fake = (np.asarray(x, np.float64) for x in scores)
  above, below = real - fake.mean() - 1, fake - real.mean()
  critic = 0.5 * (np.square(above).mean() + np.square(below).mean())
  assert adversarial.ralsgan_critic_loss(*scores).shape == (4,)
  np.testing.assert_allclose(adversarial.ralsgan_critic_loss(*scores).mean(), critic, rtol=1e-5)
  generator = 0.5 * (
    np.square(real - fake.mean()).mean() + np.square(fake - real.mean() - 1).mean()
  )
  np.testing.assert_allclose(
    adversarial.ralsgan_generator_loss(*scores).mean(), generator, rtol=1e-5
  )


def test_relativistic_losses_are_each_others_mirror(scores):
  real, fake = scores
  np.testing.assert_array_equal(
    adversarial.ralsgan_critic_loss(real, fake), adversarial.ralsgan_generator_loss(fake, real)
  )
  shifted = adversarial.ralsgan_critic_loss(real + 5.0, fake + 5.0)  # only the difference counts
  np.testing.assert_allclose(shifted, adversarial.ralsgan_critic_loss(real, fake), rtol=1e-4)
  best = adversarial.ralsgan_critic_loss(jnp.full((2, 1, 1, 1), 1.5), jnp.full((2, 1, 1, 1), 0.5))
  np.testing.assert_allclose(best, [0.5, 0.5])


@pytest.mark.parametrize("slope", [0.5, 2.0])
def test_the_released_norm_runs_over_channels_alone(pair, slope):
  # A linear critic of one slope everywhere: each pixel's gradient is slope / (h w) per channel.
  def critic(x):
    return slope * jnp.mean(x, axis=3, keepdims=True)

  penalty = adversarial.gradient_penalty(critic, *pair, jax.random.key(0), norm="pixel")
  expected = 10.0 * (slope * np.sqrt(3) / 3 / 48 - 1) ** 2
  np.testing.assert_allclose(penalty, [expected] * 3, rtol=1e-5)
  # As the program adds the map's 48 scores up:
  added = adversarial.gradient_penalty(
    lambda x: 48.0 * critic(x), *pair, jax.random.key(0), norm="pixel"
  )
  np.testing.assert_allclose(added, [10.0 * (slope / np.sqrt(3) - 1) ** 2] * 3, rtol=1e-5)


def test_the_released_mixing_is_one_draw_for_all():
  real = jnp.zeros((16, 2, 2, 1)).at[:, 0, 0, 0].set(0.5)

  def critic(x):
    return 0.5 * jnp.sum(x * x, axis=(1, 2, 3), keepdims=True)

  args = (critic, real, jnp.zeros_like(real), jax.random.key(3))
  assert np.unique(adversarial.gradient_penalty(*args, mixing="batch")).size == 1
  assert np.unique(adversarial.gradient_penalty(*args)).size == 16
