import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from llve_jax.export import saved_model, warm_up


def replayed(folder) -> dict[str, dict[str, np.ndarray]]:
  """What the signatures make of the requests, as a server does before it takes any other."""
  loaded = tf.saved_model.load(str(folder))
  found = {}
  for record in tf.data.TFRecordDataset(str(folder / warm_up.NAME)).as_numpy_iterator():
    log = prediction_log_pb2.PredictionLog.FromString(record)
    assert log.WhichOneof("log_type") == "predict_log"
    request = log.predict_log.request
    inputs = {name: tf.constant(tf.make_ndarray(each)) for name, each in request.inputs.items()}
    name = request.model_spec.signature_name
    outputs = loaded.signatures[name](**inputs)
    found[name] = {key: value.numpy() for key, value in outputs.items()}
  return found


def test_a_server_begins_with_a_request_for_each_signature(folder):
  found = replayed(folder)
  assert set(found) == {"serving_default", "frames", "encoded"}
  assert found["serving_default"]["clip"].shape == (1, 1, *warm_up.SIZE, 3)
  assert found["frames"]["frames"].shape == (1, *warm_up.SIZE, 3)
  (content,) = found["encoded"]["image_bytes"]
  assert tf.io.decode_png(content).shape == (*warm_up.SIZE, 3)


def test_a_memory_comes_along_and_so_does_the_size_that_is_asked_for(tmp_path, trail):
  options = saved_model.Options(warm_up=(6, 9))
  saved_model.write(trail, tmp_path / "model", options)
  assert (tmp_path / "model" / warm_up.NAME).stat().st_size < 2000  # whatever the size
  found = replayed(tmp_path / "model")
  assert set(found) == {"serving_default", "start", "next", "frames", "encoded"}
  assert found["next"]["frame"].shape == (1, 6, 9, 3)
  assert found["next"].keys() == {"frame", "carry_frame", "carry_seen"}


@pytest.mark.parametrize("size", [(6, 9), (2, 3)])
def test_raw_light_is_asked_for_as_such(xtrans, size):
  ((name, inputs),) = warm_up.requests(xtrans, size)
  assert name == "serving_default"
  assert inputs["clip"].shape == (1, 1, *size, 9)
