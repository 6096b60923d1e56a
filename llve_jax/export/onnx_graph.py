"""What tf2onnx gets wrong, or does not know, of the graphs that LiteRT's converter makes."""

from collections.abc import Callable
from typing import Any

import numpy as np


def clip(model: Any) -> None:
  """LiteRT has an operation for values between 0 and 1 that tf2onnx does not know."""
  import onnx

  bounds = {"bound_zero": 0.0, "bound_one": 1.0}
  found = [node for node in model.graph.node if node.op_type == "TFL_RELU_0_TO_1"]
  for node in found:
    node.op_type = "Clip"
    node.input.extend(bounds)
  if found:
    model.graph.initializer.extend(
      onnx.numpy_helper.from_array(np.asarray(value, np.float32), name)
      for name, value in bounds.items()
    )


def remainder(context: Any, node: Any, name: str, arguments: Any) -> None:
  """Remainders that have the sign of the divisor, of whole numbers.

  tf2onnx rounds the quotient towards zero, so those of negative numbers come out negative. Of open
  sizes they say which pixel is reflected.
  """
  from tf2onnx.onnx_opset.math import FloorMod

  if np.issubdtype(_numpy_type(context, node.input[0]), np.floating):
    FloorMod.version_7(context, node)
    return
  inputs, outputs, shapes, kinds = node.input, node.output, node.output_shapes, node.output_dtypes
  del arguments
  context.remove_node(node.name)
  context.make_node("Mod", inputs, outputs=outputs, shapes=shapes, dtypes=kinds, name=name)


def segment_product(context: Any, node: Any, name: str, arguments: Any) -> None:
  """Products of the elements that share a segment; those of a negative segment count nowhere.

  tf2onnx counts the latter in the last segment. Of open sizes LiteRT finds by it what the factors
  of a matrix product are reshaped to.
  """
  del arguments
  shape, kind = context.get_shape(node.output[0]), context.get_dtype(node.input[0])
  segments, count = (each.get_tensor_value(as_list=False) for each in node.inputs[1:])
  chosen = np.arange(int(count))[:, None] == segments[None]
  mask = context.make_const(f"{name}_chosen", chosen)
  one = context.make_const(f"{name}_one", np.ones((), _numpy_type(context, node.input[0])))
  factors = context.make_node("Where", [mask.output[0], node.input[0], one.output[0]])
  outputs = node.output
  context.remove_node(node.name)
  context.make_node(
    "ReduceProd",
    factors.output,
    attr={"axes": [1], "keepdims": 0},
    outputs=outputs,
    shapes=[shape],
    dtypes=[kind],
    name=name,
  )


def _numpy_type(context: Any, tensor: str) -> Any:
  from tf2onnx.utils import map_onnx_to_numpy_type

  return map_onnx_to_numpy_type(context.get_dtype(tensor))


HANDLERS: dict[str, tuple[Callable[..., None], list[Any]]] = {
  "FloorMod": (remainder, []),
  "UnsortedSegmentProd": (segment_product, []),
}
"""Of operations by TensorFlow's name, as tf2onnx takes them."""
