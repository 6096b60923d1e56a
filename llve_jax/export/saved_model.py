"""A network as a TensorFlow SavedModel that needs no JAX to run.

JAX's own StableHLO travels inside (orbax.export, native serialization), with every size but the
channels left open. Signatures: those of `llve_jax.export.signatures`, and `frames` and `encoded`
(`llve_jax.export.eight_bits`) where the network takes sRGB.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo
from jax.extend.mlir.passmanager import PassManager

from llve_jax.export import signatures, warm_up
from llve_jax.export.options import Options, check_open
from llve_jax.export.probes import Probe, open_sizes
from llve_jax.export.quiet import needs, quiet
from llve_jax.export.signatures import Signature
from llve_jax.zoo.trained import Trained

PLATFORMS = ("cpu", "cuda", "tpu")
STABLEHLO_VERSION = "1.13.0"  # what TensorFlow 2.21 reads
# A script of its own, so that the process that runs it never imports this package.
RUNNER = Path(__file__).with_name("saved_model_runner.py")
SNIPPET = """\
  import tensorflow as tf
  enhance = tf.saved_model.load({path!r}).signatures["serving_default"]
  bright = enhance(clip=dark)["clip"].numpy()  # dark: float32 [b, t, h, w, {channels}] in [0, 1]"""


def prepare(network: Trained, options: Options) -> list[Probe]:
  """What the export is tried on; raises `UserError` where it cannot be written as asked for."""
  real = check_open(options, "saved_model", network.traits)
  return open_sizes(network.traits, real, eight_bits=True)


def write(network: Trained, folder: Path, options: Options | None = None) -> list[str]:
  """Writes the network as a SavedModel into a folder that does not exist yet.

  Returns:
    Its signatures, a line each.

  Raises:
    UserError: TensorFlow or orbax.export is not installed.
  """
  offered = signatures.of(network)
  size = (options and options.warm_up) or warm_up.SIZE
  with needs("a SavedModel"), quiet():
    module, functions = as_functions(network, offered)
    from llve_jax.export import eight_bits

    more = eight_bits.functions(network.traits, functions["serving_default"])
    save(folder, module, functions | more)
    warm_up.write(folder, warm_up.requests(network, size))
  return [*map(str, offered), *(eight_bits.TEXTS[name] for name in more)]


def as_functions(network: Trained, offered: Sequence[Signature]) -> tuple[Any, dict[str, Any]]:
  """The signatures in TensorFlow: (module that holds the weights, concrete functions by name).

  A function that calls one of them shares its program.
  """
  import tensorflow as tf
  from orbax.export import JaxModule

  module = JaxModule(
    jax.device_get(network.variables),
    {each.name: each.apply for each in offered},
    trainable=False,
    input_polymorphic_shape={
      each.name: {name: _symbols(spec.shape) for name, spec in each.inputs.items()}
      for each in offered
    },
    jax2tf_kwargs={
      each.name: {
        "native_serialization_platforms": PLATFORMS,
        "polymorphic_constraints": each.constraints,
      }
      for each in offered
    },
  )

  def concrete(each: Signature) -> Any:
    specs = [
      tf.TensorSpec(
        [side if isinstance(side, int) else None for side in spec.shape], tf.float32, name=name
      )
      for name, spec in each.inputs.items()
    ]

    @tf.function(input_signature=specs, autograph=False)
    def call(*given: Any) -> Any:
      return module.methods[each.name](dict(zip(each.inputs, given, strict=True)))

    return call.get_concrete_function()

  return module, {each.name: concrete(each) for each in offered}


def _symbols(shape: tuple[Any, ...]) -> str | None:
  """The shape as jax2tf takes it; None where every size is a number."""
  return None if all(isinstance(side, int) for side in shape) else signatures.shape_text(shape)


def save(folder: Path, module: Any, functions: dict[str, Any]) -> None:
  """Writes what `as_functions` made."""
  from orbax.export import ExportManager

  ExportManager(module, []).save(str(folder), signature_overrides=functions)
  _make_portable(folder)


def _make_portable(folder: Path) -> None:
  """Rewrites the programs of a SavedModel: same operations, older StableHLO, no source locations.

  JAX writes the StableHLO of a month ago, but TensorFlow reads that of its own release or older.
  Locations name files on this machine, and take more space than the program.
  """
  from tensorflow.core.protobuf import saved_model_pb2

  file = folder / "saved_model.pb"
  model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
  for graph in model.meta_graphs:
    for function in graph.graph_def.library.function:
      for node in function.node_def:
        if node.op == "XlaCallModule":
          with ir.Context() as context:
            program = stablehlo.deserialize_portable_artifact(context, node.attr["module"].s)
            PassManager.parse("builtin.module(strip-debuginfo)").run(program.operation)
            old = stablehlo.serialize_portable_artifact(program, STABLEHLO_VERSION)
            node.attr["module"].s = old
  file.write_bytes(model.SerializeToString(deterministic=True))
  (folder / "fingerprint.pb").unlink(missing_ok=True)  # optional, and now of another graph
