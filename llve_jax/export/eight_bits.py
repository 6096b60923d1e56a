"""Signatures of a SavedModel for frames as files have them: uint8, or encoded pictures."""

from typing import Any

from llve_jax.models.contract import Traits

TEXTS = {
  "frames": "frames: frames uint8 [t, h, w, 3] of one video -> frames uint8 [t, h, w, 3]",
  "encoded": (
    "encoded: image_bytes [n], each a JPEG or PNG -> image_bytes [n], PNG; in TensorFlow "
    'Serving\'s REST {"signature_name": "encoded", "instances": [{"b64": ...}]}'
  ),
}


def takes_stills(traits: Traits) -> bool:
  """Whether a picture alone is a clip that the network takes."""
  return traits.least_frames == 1


def functions(traits: Traits, enhance: Any) -> dict[str, Any]:
  """Concrete TensorFlow functions by name; none where the network takes no sRGB.

  `encoded` takes every picture for a clip of one frame, so a network that needs longer ones has
  none. A picture is not turned by its EXIF tag.

  Args:
    traits: of the network.
    enhance: concrete function from `clip` float32 [b, t, h, w, 3] to the same; these call it.
  """
  import tensorflow as tf

  if traits.input_kind != "srgb":
    return {}
  low, high = traits.value_range

  def run(clip: Any) -> Any:
    unit = tf.cast(clip, tf.float32) / 255.0
    bright = enhance(clip=low + (high - low) * unit)["clip"]
    return tf.cast(tf.round(tf.clip_by_value(bright, 0.0, 1.0) * 255.0), tf.uint8)

  @tf.function(
    input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="frames")],
    autograph=False,
  )
  def frames(frames: Any) -> Any:
    return {"frames": run(frames[tf.newaxis])[0]}

  def one(content: Any) -> Any:
    image = tf.io.decode_image(content, channels=3, expand_animations=False)
    image.set_shape([None, None, 3])
    return tf.io.encode_png(run(image[tf.newaxis, tf.newaxis])[0, 0])

  @tf.function(
    input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False
  )
  def encoded(image_bytes: Any) -> Any:
    # One by one: pictures of a request may differ in size.
    return {"image_bytes": tf.map_fn(one, image_bytes, fn_output_signature=tf.string)}

  found = {"frames": frames.get_concrete_function()}
  if takes_stills(traits):
    found["encoded"] = encoded.get_concrete_function()
  return found
