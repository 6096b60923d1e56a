"""A network as ONNX of a fixed size, builtin operators alone, a file for each signature.

LiteRT's converter makes the graph, tf2onnx writes it in ONNX: `serving_default.onnx` from `clip`
[1, t, h, w, c]; of a network that streams `start.onnx` and `next.onnx` from `frame` [1, h, w, c]
and what the network remembers. Outputs are called as in the signature, `out_` before it.
"""

import importlib.util
import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from llve_jax.errors import UserError
from llve_jax.export import litert, signatures
from llve_jax.export.options import Options, check_fixed, real_frames
from llve_jax.export.probes import Probe, fixed_size
from llve_jax.export.quiet import silent
from llve_jax.export.signatures import Signature
from llve_jax.zoo.trained import Trained

OPSET = 17
RUNNER = Path(__file__).with_name("fixed_size_runner.py")
SNIPPET = """\
  import onnxruntime
  session = onnxruntime.InferenceSession({path!r} + "/{signature}.onnx")
  bright = session.run(["out_{given}"], {{{given!r}: dark}})[0]  # float32, of one size"""
OUT = "out_"
_PACKAGES = ("ai_edge_litert", "onnx", "onnxruntime", "tf2onnx")


def prepare(network: Trained, options: Options) -> list[Probe]:
  """What the export is tried on.

  Raises:
    UserError: it cannot be written as asked for, or a package is not installed.
  """
  frames, height, width = check_fixed(options, "onnx", network.traits)
  if options.precision != "float32":
    raise UserError(
      f"--format=onnx is written in float32; leave --precision={options.precision} out, the "
      "runtime chooses its own"
    )
  for package in _PACKAGES:
    if importlib.util.find_spec(package) is None:
      raise UserError(
        f"--format=onnx needs {package}, which is not installed; pip install 'llve_jax[export]'"
      )
  real = real_frames(options, network.traits, (height, width), frames)
  return fixed_size(network.traits, (1, frames, height, width), real)


def write(network: Trained, folder: Path, options: Options) -> list[str]:
  """Writes the network into a folder that does not exist yet.

  Returns:
    Its signatures, a line each.

  Raises:
    UserError: TensorFlow is not installed, or an operation has no equal in ONNX.
  """
  import onnx

  size = check_fixed(options, "onnx", network.traits)
  offered = signatures.of(network, (1, *size))
  folder.mkdir()
  for each in offered:
    content = litert.converted(network, (each,), options)
    onnx.save(_as_onnx(content, each), str(folder / f"{each.name}.onnx"))
  return [*map(str, offered)]


def _as_onnx(content: bytes, signature: Signature) -> Any:
  """The ONNX model of a LiteRT file with one signature."""
  import onnx
  import tf2onnx

  logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
  with tempfile.TemporaryDirectory() as temporary:
    file = Path(temporary, litert.NAME)
    file.write_bytes(content)
    try:
      with silent():
        model, _ = tf2onnx.convert.from_tflite(str(file), opset=OPSET)
      _clip(model)
      _rename(model, _names(file, signature))
      del model.opset_import[:]  # tf2onnx names its own operators, too, of which none is left
      model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
      onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # each package has its own
      raise UserError(
        f"this network cannot be written in ONNX: {str(error).strip()[:600]}; nothing was written, "
        "export it as saved_model or litert"
      ) from error
  return model


def _names(file: Path, signature: Signature) -> dict[str, str]:
  """What inputs and outputs are called in the file, to what they are to be called."""
  from ai_edge_litert.interpreter import Interpreter

  runner = Interpreter(str(file)).get_signature_runner(signature.name)
  inputs, outputs = runner.get_input_details(), runner.get_output_details()
  return {details["name"]: name for name, details in inputs.items()} | {
    details["name"]: OUT + name for name, details in outputs.items()
  }


def _clip(model: Any) -> None:
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


def _rename(model: Any, names: dict[str, str]) -> None:
  graph = model.graph
  for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
    value.name = names.get(value.name, value.name)
  for node in graph.node:
    for tensors in (node.input, node.output):
      tensors[:] = [names.get(tensor, tensor) for tensor in tensors]
