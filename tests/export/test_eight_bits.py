import json

import cv2
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.export import eight_bits
from llve_jax.models.contract import Traits
from llve_jax.ops.frames import to_8_bit, to_unit
from tests.export.conftest import run


@pytest.fixture(scope="module")
def signatures(folder):
  loaded = tf.saved_model.load(str(folder))
  yield loaded.signatures
  del loaded  # holds the variables


def dark(*size: int) -> np.ndarray:
  return np.random.default_rng(1).integers(0, 60, (*size, 3)).astype(np.uint8)


def near(found: np.ndarray, expected: np.ndarray) -> None:
  """Equal, but for values between two steps."""
  assert (found.dtype, found.shape) == (np.uint8, expected.shape)
  differs = found != expected
  assert np.abs(found.astype(int) - expected).max() <= 1
  assert differs.mean() < 1e-3


def test_frames_are_those_of_the_network(signatures, network):
  frames = dark(3, 17, 22)
  found = signatures["frames"](frames=tf.constant(frames))["frames"].numpy()
  near(found, to_8_bit(run(network, to_unit(frames)[None])[0]))


def test_eight_bits_are_brought_to_the_range_of_the_network(signed_gain):
  frames = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), np.uint8)
  found = eight_bits.functions(signed_gain.traits, lambda clip: {"clip": clip})
  bright = found["frames"](tf.constant(frames))["frames"].numpy()
  np.testing.assert_allclose(bright, np.clip(2.0 * frames - 255, 0, 255), atol=1)


def test_pictures_of_a_request_may_differ_in_size_and_kind(signatures, network):
  png, jpeg = dark(17, 22), dark(8, 40)
  contents = [
    cv2.imencode(".png", png[..., ::-1])[1].tobytes(),
    tf.io.encode_jpeg(jpeg, quality=95).numpy(),
  ]
  found = signatures["encoded"](image_bytes=tf.constant(contents))["image_bytes"].numpy()
  seen = [png, tf.io.decode_jpeg(contents[1]).numpy()]
  for content, image in zip(found, seen, strict=True):
    bright = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    near(bright, to_8_bit(run(network, to_unit(image)[None, None])[0, 0]))


def test_a_grey_picture_is_taken_and_garbage_refused(signatures):
  grey = tf.io.encode_png(dark(9, 8)[..., :1])
  found = signatures["encoded"](image_bytes=tf.stack([grey]))["image_bytes"]
  assert tf.io.decode_png(found[0]).shape == (9, 8, 3)
  with pytest.raises(tf.errors.InvalidArgumentError):
    signatures["encoded"](image_bytes=tf.constant([b"no picture"]))


def test_the_names_are_those_that_serving_encodes(signatures):
  """TensorFlow Serving's REST sends as base64 what is a string and is called *_bytes."""
  encoded = signatures["encoded"]
  assert (
    [*encoded.structured_input_signature[1]] == [*encoded.structured_outputs] == ["image_bytes"]
  )
  assert json.loads(eight_bits.TEXTS["encoded"].partition("REST ")[2].replace("...", '""'))


def test_who_has_which():
  def enhance(clip):
    return {"clip": clip}

  raw = Traits(stride=1, receptive_field=1, input_kind="bayer")
  window = Traits(stride=1, receptive_field=1, frames=3, least_frames=3)
  srgb = Traits(stride=1, receptive_field=1)
  assert eight_bits.functions(raw, enhance) == {}
  assert set(eight_bits.functions(window, enhance)) == {"frames"}
  assert set(eight_bits.functions(srgb, enhance)) == {"frames", "encoded"} == set(eight_bits.TEXTS)
