"""Requests that a SavedModel brings along: its server runs them before it takes any other.

TensorFlow Serving reads them from `assets.extra/tf_serving_warmup_requests`, a TFRecord file of
`PredictionLog`. What a first request waits for is mostly compilation, for its own size alone, so
they should be of the size that is to be served (`Options.warm_up`).
https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from pathlib import Path
from typing import Any

import numpy as np

from llve_jax.export import eight_bits, signatures
from llve_jax.export.probes import at_least
from llve_jax.export.signatures import Arrays
from llve_jax.models.contract import Traits
from llve_jax.ops.frames import to_8_bit
from llve_jax.zoo.trained import Trained

NAME = Path("assets.extra", "tf_serving_warmup_requests")
SIZE = (48, 64)  # (height, width) unless another is asked for: quick, and starts what starts slowly


def requests(network: Trained, size: tuple[int, int]) -> list[tuple[str, Arrays]]:
  """One request for each signature: (its name, its inputs).

  Args:
    network: the network.
    size: rows and columns of the frames.
  """
  traits = network.traits
  low, high = traits.value_range
  shape = at_least(traits, (1, 1, *size))
  clip = np.full((*shape, traits.channels), low + 0.1 * (high - low), np.float32)
  found: list[tuple[str, Arrays]] = [("serving_default", {"clip": clip})]
  if traits.streaming:
    for each in signatures.of(network, shape):  # of fixed size: `start` and `next`
      inputs = {name: np.zeros(leaf.shape, leaf.dtype) for name, leaf in each.inputs.items()}
      found.append((each.name, inputs | {"frame": clip[:, 0]}))
  return found + _of_files(traits, clip)


def _of_files(traits: Traits, clip: np.ndarray) -> list[tuple[str, Arrays]]:
  import tensorflow as tf

  if traits.input_kind != "srgb":
    return []
  frames = to_8_bit(clip[0])
  found: list[tuple[str, Arrays]] = [("frames", {"frames": frames})]
  if eight_bits.takes_stills(traits):
    content = tf.io.encode_jpeg(frames[0]).numpy()
    found.append(("encoded", {"image_bytes": np.asarray([content], object)}))
  return found


def _tensor(value: np.ndarray) -> Any:
  """The array as a message; one that is the same everywhere takes the place of one number."""
  import tensorflow as tf

  first = value.flat[0]
  if value.dtype == object or np.any(value != first):
    return tf.make_tensor_proto(value)
  return tf.make_tensor_proto(first, value.dtype, value.shape)


def write(folder: Path, asked: list[tuple[str, Arrays]]) -> None:
  """Writes the requests into the SavedModel in `folder`."""
  import tensorflow as tf
  from tensorflow_serving.apis import prediction_log_pb2

  file = folder / NAME
  file.parent.mkdir(exist_ok=True)
  with tf.io.TFRecordWriter(str(file)) as records:
    for name, inputs in asked:
      log = prediction_log_pb2.PredictionLog()
      request = log.predict_log.request
      request.model_spec.signature_name = name
      for key, value in inputs.items():
        request.inputs[key].CopyFrom(_tensor(value))
      records.write(log.SerializeToString())
