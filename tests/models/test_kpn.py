"""The kernel prediction network against loops in numpy and TensorFlow's own operations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.errors import UserError
from llve_jax.models.kpn import KPN

TINY = {"widths": (4, 6, 8), "burst": 4, "kernel": 3, "read_noise": 0.1, "shot_noise": 0.2}


@pytest.mark.parametrize(
  ("fields", "count"),
  [
    ({"color": False}, 28_743_264),
    ({}, 36_217_632),
    ({"form": "google", "color": False, "widths": (64, 128, 256)}, 3_335_256),
  ],
)
def test_parameter_count(fields, count):
  """Reference figures of the three published forms."""
  module = KPN(**fields)
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 16, 16, 3)))
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == count


@pytest.mark.parametrize(
  ("burst", "offsets"), [(1, (0,)), (3, (0, -1, 1)), (8, (0, -1, 1, -2, 2, -3, 3, -4))]
)
def test_the_burst_starts_with_the_frame_and_goes_by_distance(burst, offsets):
  assert KPN(burst=burst).offsets == offsets
  assert KPN(burst=burst).traits.frames == 2 * max(map(abs, offsets)) + 1


def mirror(index: int, length: int) -> int:
  """Walks from frame 0 to `index`, turning round at both ends."""
  place, step = 0, 1
  for _ in range(abs(index)):
    if length > 1:
      step = 1 if place == 0 else -1 if place == length - 1 else step
      place += step
  return place


def kernels(params, images, burst, form, read_noise, shot_noise, channels):
  """The layer list for three levels and sides that divide by 4."""

  def triple(x, name, linear=False):
    for index in range(3):
      layer = params[name][f"conv_{index}"]
      x = tf.nn.conv2d(x, layer["kernel"], 1, "SAME") + layer["bias"]
      x = x if linear and index == 2 else tf.nn.relu(x)
    return x

  def double(x):
    return tf.image.resize(x, (2 * x.shape[1], 2 * x.shape[2]), "bilinear")

  first = images[..., :channels]
  noise = np.sqrt(read_noise**2 + shot_noise * first)
  x = tf.concat([images, noise], -1)
  full = triple(x, "encoder_0")
  half = triple(tf.nn.avg_pool2d(full, 2, 2, "VALID"), "encoder_1")
  quarter = triple(tf.nn.avg_pool2d(half, 2, 2, "VALID"), "encoder_2")
  x = tf.concat([double(quarter), half], -1)
  x = double(triple(x, "decoder_1", linear=form == "google"))
  if form == "pytorch":
    x = tf.nn.conv2d(x, params["head"]["kernel"], 1, "SAME") + params["head"]["bias"]
  return x.numpy()


@pytest.mark.parametrize("form", ["pytorch", "google"])
@pytest.mark.parametrize("color", [True, False])
def test_equals_the_layer_list_and_loops_over_taps(drawn, form, color):
  time, height, width, burst, side = 3, 8, 12, TINY["burst"], TINY["kernel"]
  module = KPN(form=form, color=color, **TINY)
  clip = np.random.default_rng(1).random((1, time, height, width, 3), dtype=np.float32)
  variables = drawn(module, clip)
  result = jax.jit(module.apply)(variables, clip)

  expected = np.zeros((time, burst, height, width, 3))
  for t in range(time):
    frames = [clip[0, mirror(t + at, time)] for at in module.offsets]
    parts = [slice(0, 3)] if color else [slice(c, c + 1) for c in range(3)]
    for part in parts:
      seen = np.concatenate([frame[..., part] for frame in frames], axis=-1)
      channels = 3 if color else 1
      core = kernels(variables["params"], seen[None], burst, form, 0.1, 0.2, channels)[0].reshape(
        height, width, burst, side, side, channels
      )
      for n, frame in enumerate(frames):
        dark = np.pad(frame[..., part], ((1, 1), (1, 1), (0, 0)))
        for y in range(height):
          for x in range(width):
            window = dark[y : y + side, x : x + side]
            expected[t, n, y, x, part] = (window * core[y, x, n]).sum((0, 1))
  if form == "google":
    expected *= burst
  scale = np.abs(expected).max()
  np.testing.assert_allclose(result["burst"][0], expected, atol=1e-5 * scale)
  np.testing.assert_allclose(result["clip"][0], expected.mean(1), atol=1e-5 * scale)


def test_light_far_below_black_is_as_noisy_as_black(drawn):
  """What noise takes below black may be far more than its own deviation."""
  clip = np.full((1, 1, 8, 8, 3), -0.5, np.float32)
  module = KPN(**TINY)
  assert np.isfinite(jax.jit(module.apply)(drawn(module, clip), clip)["clip"]).all()


def test_more_noise_is_seen_by_the_network(drawn):
  clip = np.random.default_rng(1).random((1, 1, 8, 8, 3), dtype=np.float32)
  module = KPN(**TINY)
  variables = drawn(module, clip)
  noisier = module.clone(read_noise=0.3)
  results = [jax.jit(each.apply)(variables, clip)["clip"] for each in (module, noisier)]
  assert np.abs(results[1] - results[0]).max() > 1e-3


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"form": "tf"}, "form 'tf'"),
    ({"input_kind": "mosaic"}, "input_kind 'mosaic'"),
    ({"kernel": 4}, "kernel 4"),
    ({"burst": 0}, "burst 0"),
    ({"widths": (4, 4)}, r"widths \(4, 4\)"),
  ],
)
def test_wrong_fields_are_named(fields, message):
  module = KPN(**{**TINY, **fields})
  with pytest.raises(UserError, match=message):
    jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 8, 8, 3)))


def test_what_is_rendered_is_encoded_and_has_a_slope_in_the_dark():
  module = KPN(**TINY)
  clip = np.random.default_rng(0).random((1, 4, 8, 8, 3), np.float32)
  variables = jax.jit(module.init)(jax.random.key(0), clip)
  plain = jax.jit(module.apply)(variables, clip)["clip"]
  shown = jax.jit(module.clone(render=True).apply)(variables, clip)["clip"]
  lit = np.asarray(plain) > 1e-3
  np.testing.assert_allclose(shown[lit], plain[lit] ** (1 / 2.2), rtol=1e-4)
  dark = ~lit
  slope = 1e-3 ** (1 / 2.2 - 1)
  assert dark.any()
  np.testing.assert_allclose(shown[dark], plain[dark] * slope, rtol=1e-4)
