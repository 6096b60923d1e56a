"""MBLLEN's size and its post-processing; tests/zoo proves the network against Keras."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.models.mbllen import MBLLEN, stretch


def test_parameter_count():
  """Reference figure of the released code."""
  module = MBLLEN()
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 13, 13, 3)))
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == 450_171


def test_thirteen_pixels_are_enough_and_twelve_too_few():
  module = MBLLEN(features=4, depth=1, width=2)
  key = jax.random.key(0)
  assert jax.eval_shape(module.init, key, jnp.zeros((1, 1, 13, 13, 3)))
  with pytest.raises(ValueError, match=r"mbllen needs frames of 13 x 13 .* found 13 x 12"):
    jax.eval_shape(module.init, key, jnp.zeros((1, 1, 13, 12, 3)))


def steps(image, released, high=95, low=5, bright=0.8, gamma=0.8):
  """The steps on one image, with OpenCV's hue, saturation and value; and what was published."""

  def light(x):
    return 0.299 * x[..., 0] + 0.587 * x[..., 1] + 0.114 * x[..., 1 if released else 2]

  lit = light(image)
  counted = np.sum(lit <= 1.0) if released else lit.size
  if np.sum(lit >= bright) / counted < (100 - high) / 100:
    image = np.minimum(image * (bright / np.percentile(lit, high)), 1.0)
  black = np.percentile(light(image), low)
  image = (image - black) / (1 - black)
  image = image if released else np.maximum(image, 0)
  hue, saturation, value = cv2.split(cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2HSV))
  hsv = cv2.merge([hue, np.power(saturation, gamma), value])
  return np.clip(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), 0, 1)


def dark(seed=0, low=0.05, high=0.6):
  random = np.random.default_rng(seed)
  return random.uniform(low, high, (17, 23, 3)).astype(np.float32)


@pytest.mark.parametrize("released", [True, False])
@pytest.mark.parametrize(
  "image", [dark(), dark(1, 0.3, 1.2), dark(2, 0.0, 0.1)], ids=["dark", "bright", "black"]
)
def test_equals_the_steps_with_opencv(image, released):
  found = stretch(jnp.asarray(image)[None], released=released)[0]
  expected = steps(image, released)
  assert np.abs(expected - image).mean() > 0.02  # it does something
  np.testing.assert_allclose(found, expected, atol=2e-4)


def test_images_of_a_batch_are_stretched_apart():
  images = np.stack([dark(), dark(2, 0.0, 0.1)])
  found = stretch(images)
  for image, each in zip(images, found, strict=True):
    np.testing.assert_allclose(each, stretch(image[None])[0], atol=1e-6)


def test_the_forms_differ_on_a_blue_picture():
  blue = dark()[None] * np.float32([0.5, 0.5, 1])
  assert np.abs(stretch(blue) - stretch(blue, released=True)).max() > 0.02


def test_grey_stays_grey_and_order_is_kept():
  ramp = np.linspace(0.02, 0.4, 200, dtype=np.float32).reshape(1, 10, 20, 1).repeat(3, -1)
  found = np.asarray(stretch(ramp))
  np.testing.assert_allclose(found[..., 0], found[..., 2], atol=1e-6)
  assert (np.diff(found[..., 0].ravel()) >= -1e-6).all()
  lit = np.sort(found[..., 0].ravel())
  assert (lit[:9] == 0).all()  # 5 percent
  assert np.percentile(lit, 95) == pytest.approx((0.8 - 0.041) / (1 - 0.041), abs=0.02)


def test_colours_become_stronger_without_changing_the_largest_channel():
  image = dark()[None]
  plain, vivid = stretch(image, gamma=1.0), stretch(image, gamma=0.8)
  np.testing.assert_allclose(vivid.max(-1), plain.max(-1), atol=1e-6)
  assert (np.asarray(vivid.min(-1)) <= np.asarray(plain.min(-1)) + 1e-6).all()
  assert np.asarray(plain - vivid).mean() > 0.005


def test_flat_and_black_images_have_finite_gradients():
  slope = jax.jit(jax.grad(lambda x: stretch(x).sum()))
  for level in (0.0, 0.3, 1.0):
    assert np.isfinite(slope(jnp.full((1, 6, 6, 3), level))).all()


def test_other_images_are_refused():
  with pytest.raises(UserError, match=r"found \(1, 1, 4, 4, 3\)"):
    stretch(jnp.zeros((1, 1, 4, 4, 3)))


def test_results_are_stretched_outside_of_training_alone():
  module = MBLLEN(features=3, depth=1, width=2, post="released")
  assert module.traits.whole_frame_only
  clip = dark()[None, None]
  variables = jax.jit(module.init)(jax.random.key(0), clip)
  plain = jax.jit(module.clone(post="none").apply)(variables, clip)["clip"]
  np.testing.assert_array_equal(module.apply(variables, clip, train=True)["clip"], plain)
  expected = stretch(plain[0], released=True)
  np.testing.assert_allclose(jax.jit(module.apply)(variables, clip)["clip"][0], expected, atol=1e-6)
  with pytest.raises(UserError, match="post is 'no'; expected"):
    module.clone(post="no").traits  # noqa: B018
