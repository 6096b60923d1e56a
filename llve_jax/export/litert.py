"""A network for phones: one `model.tflite` of a fixed size, for LiteRT (TensorFlow Lite).

Converted from a SavedModel of that size by TensorFlow's own converter, into builtin operations
alone. Signatures: `serving_default` on clips [1, t, h, w, c]; of a network that streams `start` and
`next` instead, which take a frame [1, h, w, c] and hand on what the network remembers.
"""

import functools
import importlib.util
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from llve_jax.errors import UserError
from llve_jax.export import saved_model, signatures
from llve_jax.export.options import Options, check_fixed, real_frames
from llve_jax.export.probes import Probe, fixed_size, scene
from llve_jax.export.quiet import needs, quiet
from llve_jax.export.signatures import Arrays, Signature
from llve_jax.io.silence import silent
from llve_jax.ops.frames import to_unit
from llve_jax.zoo.trained import Trained

NAME = "model.tflite"
RUNTIME = "ai_edge_litert"
RUNNER = Path(__file__).with_name("fixed_size_runner.py")
SNIPPET = """\
  from ai_edge_litert.interpreter import Interpreter
  network = Interpreter({path!r} + "/model.tflite", num_threads=2)
  enhance = network.get_signature_runner({signature!r})
  bright = enhance({given}=dark)[{given!r}]  # float32, of the shape that the signature says"""
ADVICE = "try another --size, or --precision=float16, which is held to a PSNR"


def prepare(network: Trained, options: Options) -> list[Probe]:
  """What the export is tried on.

  Raises:
    UserError: it cannot be written as asked for, or nothing is installed that would run it.
  """
  size = check_fixed(options, "litert", network.traits)
  if options.precision == "int8" and network.traits.streaming:
    raise UserError(
      f"--precision=int8: TensorFlow's converter crashes on networks that stream, as "
      f"{network.name} does; choose --precision=float16"
    )
  if importlib.util.find_spec(RUNTIME) is None:
    raise UserError(
      f"--format=litert needs {RUNTIME}, which is not installed; pip install 'llve_jax[export]'"
    )
  return fixed_size(network.traits, (1, *size), _real(network, options))


def write(network: Trained, folder: Path, options: Options) -> list[str]:
  """Writes the network into a folder that does not exist yet.

  Returns:
    Its signatures, a line each.

  Raises:
    UserError: TensorFlow is not installed, or cannot convert the network.
  """
  size = check_fixed(options, "litert", network.traits)
  offered = signatures.of(network, (1, *size))
  content = converted(network, offered, options)
  folder.mkdir()
  (folder / NAME).write_bytes(content)
  return [*map(str, offered)]


def converted(network: Trained, offered: tuple[Signature, ...], options: Options) -> bytes:
  """The signatures, of fixed sizes, as one LiteRT file; raises as `write`."""
  with needs("LiteRT"), quiet(), tempfile.TemporaryDirectory() as temporary:
    import tensorflow as tf

    between = Path(temporary, "saved_model")
    saved_model.save(between, *saved_model.as_functions(network, offered))
    converter = tf.lite.TFLiteConverter.from_saved_model(
      str(between), signature_keys=[each.name for each in offered]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if options.precision != "float32":
      converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if options.precision == "float16":
      converter.target_spec.supported_types = [tf.float16]
    if options.precision == "int8":
      converter.representative_dataset = functools.partial(_examples, network, options, offered[0])
    try:
      with silent():
        return bytes(converter.convert())
    except Exception as error:  # its own classes are private
      raise UserError(
        f"TensorFlow cannot convert {network.name} to LiteRT: {_reason(error)}; nothing was "
        "written; export it as saved_model, or if it was to be onnx of open sizes, pass --size"
      ) from error


def _reason(error: Exception) -> str:
  """The operation that the converter stops at, if it says so, else how its message begins.

  It prints the place of the operation first, and the whole program behind it.
  """
  said = str(error).strip()
  found = re.search(r"failed to legalize operation '[^']*'|'[\w.]+' op [^\n]*", said)
  return found[0] if found else said[:600]


def _real(network: Trained, options: Options) -> np.ndarray | None:
  frames, height, width = check_fixed(options, "litert", network.traits)
  return real_frames(options, network.traits, (height, width), frames)


def _examples(
  network: Trained, options: Options, offered: Signature
) -> Iterator[tuple[str, Arrays]]:
  """(signature, inputs) by which the converter sets the ranges of int8.

  The video, and a scene with a lamp: a dark video may hold nothing bright, and what lies beyond the
  ranges is cut off.
  """
  real = _real(network, options)
  assert real is not None, "checked by `check_fixed`"
  clip = to_unit(real)[None]
  length = offered.inputs["clip"].shape[1]
  for each in (clip, scene(clip.shape[:4], network.traits)):
    for first in range(each.shape[1] - length + 1):
      yield offered.name, {"clip": each[:, first : first + length]}
