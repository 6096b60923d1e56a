"""A network as ONNX of builtin operators alone, a file for each signature.

LiteRT's converter makes the graph, tf2onnx writes it in ONNX: `serving_default.onnx` from `clip`
[b, t, h, w, c]; of a network that streams `start.onnx` and `next.onnx` from `frame` [b, h, w, c]
and what the network remembers. Outputs are called as in the signature, `out_` before it. Sizes are
open, or fixed by `Options.size`. The layout "nchw" is for players: `llve_jax.export.planes`.
"""

import importlib.util
import logging
import tempfile
from pathlib import Path
from typing import Any

from llve_jax.errors import UserError
from llve_jax.export import litert, onnx_graph, planes, signatures
from llve_jax.export.options import Options, check_fixed, real_frames, window
from llve_jax.export.probes import Probe, fixed_size, open_sizes, streamed
from llve_jax.export.signatures import Signature
from llve_jax.io.silence import silent
from llve_jax.models.contract import Traits
from llve_jax.zoo.trained import Trained

OPSET = 17
RUNNER = Path(__file__).with_name("fixed_size_runner.py")
SNIPPET = """\
  import onnxruntime
  session = onnxruntime.InferenceSession({path!r} + "/{signature}.onnx")
  bright = session.run(["out_{given}"], {{{given!r}: dark}})[0]  # float32, as the signature says"""
OUT = "out_"
ADVICE = "fix the size by --size=WIDTHxHEIGHT, or choose --format=saved_model"
_PACKAGES = ("ai_edge_litert", "onnx", "onnxruntime", "tf2onnx")


def prepare(network: Trained, options: Options) -> list[Probe]:
  """What the export is tried on.

  Raises:
    UserError: it cannot be written as asked for, or a package is not installed.
  """
  traits = network.traits
  frames, size = _size(options, traits)
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
  real = real_frames(options, traits, size, frames)
  if options.layout == "nchw":
    planes.check(traits)
    return planes.probes(traits, frames, size, real)
  if size is not None:
    return fixed_size(traits, (1, frames, *size), real)
  return streamed(traits, real) if traits.streaming else open_sizes(traits, real, eight_bits=False)


def write(network: Trained, folder: Path, options: Options) -> list[str]:
  """Writes the network into a folder that does not exist yet.

  Returns:
    Its signatures, a line each.

  Raises:
    UserError: TensorFlow is not installed, or an operation has no equal in ONNX.
  """
  import onnx

  offered = _offered(network, options)
  folder.mkdir()
  for each in offered:
    content = litert.converted(network, (each,), options)
    onnx.save(_as_onnx(content, each), str(folder / f"{each.name}.onnx"))
  return [*map(str, offered)]


def _size(options: Options, traits: Traits) -> tuple[int, tuple[int, int] | None]:
  """Frames of a clip, where their number is fixed, and (rows, columns), where these are."""
  if options.size is not None:
    frames, height, width = check_fixed(options, "onnx", traits)
    return frames, (height, width)
  if options.frames is not None and options.layout != "nchw":
    raise UserError(
      f"--frames={options.frames}: without --size every size is open, the length of clips too; "
      "leave --frames out, or pass --size=WIDTHxHEIGHT"
    )
  return window(options, traits), None


def _offered(network: Trained, options: Options) -> tuple[Signature, ...]:
  frames, size = _size(options, network.traits)
  if options.layout == "nchw":
    return (planes.signature(network, frames, size),)
  if size is not None:
    return signatures.of(network, (1, frames, *size))
  found = signatures.of(network)
  # A memory over clips of open length is a loop, which few runtimes are good at.
  return found[1:] if network.traits.streaming else found


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
        model, _ = tf2onnx.convert.from_tflite(
          str(file), opset=OPSET, custom_op_handlers=onnx_graph.HANDLERS
        )
      onnx_graph.clip(model)
      _rename(model, _names(file, signature))
      _name_sizes(model, signature)
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


def _rename(model: Any, names: dict[str, str]) -> None:
  graph = model.graph
  for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
    value.name = names.get(value.name, value.name)
  for node in graph.node:
    for tensors in (node.input, node.output):
      tensors[:] = [names.get(tensor, tensor) for tensor in tensors]


def _name_sizes(model: Any, signature: Signature) -> None:
  """Numbers for the sizes that are fixed, names for those that are open, as in the signature."""
  shapes = {name: leaf.shape for name, leaf in signature.inputs.items()} | {
    OUT + name: leaf.shape for name, leaf in signature.outputs.items()
  }
  for value in (*model.graph.input, *model.graph.output):
    sizes = value.type.tensor_type.shape
    del sizes.dim[:]
    for side in shapes[value.name]:
      sizes.dim.add(**({"dim_value": side} if isinstance(side, int) else {"dim_param": str(side)}))
