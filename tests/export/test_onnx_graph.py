import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
import tf2onnx

from llve_jax.export import onnx_graph


@pytest.mark.filterwarnings("ignore")
def test_a_product_by_segments_leaves_out_what_has_none(tmp_path):
  """What LiteRT writes to find the shape of a matrix product of open sizes."""
  segments = [-1, 1, 0, 1, -1]

  @tf.function(input_signature=[tf.TensorSpec([5], tf.int32)])
  def product(sizes):
    return tf.math.unsorted_segment_prod(sizes, segments, 3)

  model, _ = tf2onnx.convert.from_function(
    product,
    [tf.TensorSpec([5], tf.int32)],
    opset=17,
    custom_op_handlers=onnx_graph.HANDLERS,
  )
  onnx.checker.check_model(model, full_check=True)
  session = onnxruntime.InferenceSession(model.SerializeToString())
  sizes = np.array([7, 3, 2, 5, 11], np.int32)
  (found,) = session.run(None, {session.get_inputs()[0].name: sizes})
  assert found.tolist() == [2, 15, 1]  # an empty segment is an empty product
  assert {node.op_type for node in model.graph.node} <= {"Where", "ReduceProd", "Identity"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [tf.int32, tf.float32])
def test_a_remainder_has_the_sign_of_the_divisor(kind):
  """By it a pixel is found that is reflected into an image of open size."""

  @tf.function(input_signature=[tf.TensorSpec([5], kind)])
  def remainder(places):
    return tf.math.floormod(places, 4)

  model, _ = tf2onnx.convert.from_function(
    remainder,
    [tf.TensorSpec([5], kind)],
    opset=17,
    custom_op_handlers=onnx_graph.HANDLERS,
  )
  session = onnxruntime.InferenceSession(model.SerializeToString())
  places = np.array([-5, -4, -1, 3, 6], kind.as_numpy_dtype)
  (found,) = session.run(None, {session.get_inputs()[0].name: places})
  assert found.tolist() == [3, 0, 3, 3, 2]


def test_values_between_0_and_1_become_a_clip():
  graph = onnx.helper.make_graph(
    [onnx.helper.make_node("TFL_RELU_0_TO_1", ["x"], ["y"])],
    "one",
    [onnx.helper.make_tensor_value_info("x", 1, [3])],
    [onnx.helper.make_tensor_value_info("y", 1, [3])],
  )
  model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
  onnx_graph.clip(model)
  session = onnxruntime.InferenceSession(model.SerializeToString())
  (found,) = session.run(None, {"x": np.array([-1, 0.25, 2], np.float32)})
  assert found.tolist() == [0, 0.25, 1]
