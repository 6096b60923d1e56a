"""Pooling and doubling against TensorFlow's own operations."""

import jax
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.models.blocks import DoubleToSkip, leaky_relu, max_pool_half_up

SIZES = [(1, 1), (2, 5), (7, 4), (9, 11)]


def random(*shape: int, seed: int = 0) -> np.ndarray:
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
def test_pooling_equals_that_of_tensorflow_with_same_padding(size):
  images = random(2, *size, 3) - 5  # below zero: padding with zeros would show
  expected = tf.nn.max_pool2d(images, 2, 2, "SAME").numpy()
  np.testing.assert_array_equal(max_pool_half_up(images), expected)


def test_the_gradient_of_pooling_is_not_counted_twice_at_an_odd_border():
  images = random(1, 5, 3, 2)
  gradient = jax.grad(lambda x: max_pool_half_up(x).sum())(images)
  with tf.GradientTape() as tape:
    watched = tf.Variable(images)
    total = tf.reduce_sum(tf.nn.max_pool2d(watched, 2, 2, "SAME"))
  np.testing.assert_array_equal(gradient, tape.gradient(total, watched).numpy())


@pytest.mark.parametrize("size", SIZES)
def test_doubling_equals_the_transposed_convolution_of_tensorflow(size):
  height, width = size
  skip = random(2, height, width, 3)
  images = random(2, (height + 1) // 2, (width + 1) // 2, 4, seed=1)
  module = DoubleToSkip(5)
  kernel = random(2, 2, 4, 5, seed=2)
  found = module.apply({"params": {"kernel": kernel}}, images, skip)
  up = tf.nn.conv2d_transpose(
    images, kernel.transpose(0, 1, 3, 2), (2, height, width, 5), 2, "SAME"
  )
  np.testing.assert_allclose(found, np.concatenate([up, skip], axis=-1), atol=1e-5)


def test_the_slope_is_a_fifth():
  np.testing.assert_allclose(leaky_relu(np.float32([-2, 3])), [-0.4, 3], rtol=1e-6)
