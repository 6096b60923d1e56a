"""A network as a TensorFlow SavedModel that needs no JAX to run.

JAX's own StableHLO travels inside (orbax.export, native serialization), with every size but the
channels left open. Signature `serving_default`: `clip`, float32 [b, t, h, w, 3] in [0, 1], to
`{"clip": ...}` of the same shape, clipped to [0, 1].
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import absl.logging
import jax
from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo
from jax.extend.mlir.passmanager import PassManager

from llve_jax.errors import UserError
from llve_jax.methods.compiled import pure
from llve_jax.zoo.trained import Trained

PLATFORMS = ("cpu", "cuda", "tpu")
STABLEHLO_VERSION = "1.13.0"  # what TensorFlow 2.21 reads
SIGNATURE = "serving_default: clip float32 [b, t, h, w, 3] in [0, 1] -> clip, same shape and range"
# A script of its own, so that the process that runs it never imports this package.
RUNNER = Path(__file__).with_name("saved_model_runner.py")
SNIPPET = """\
  import tensorflow as tf
  enhance = tf.saved_model.load({path!r}).signatures["serving_default"]
  bright = enhance(clip=dark)["clip"].numpy()  # dark: float32 [b, t, h, w, 3], sRGB in [0, 1]"""


def write(network: Trained, folder: Path) -> None:
  """Writes the network as a SavedModel into a folder that does not exist yet.

  Raises:
    UserError: TensorFlow or orbax.export is not installed.
  """
  try:
    with _quiet_import():
      import tensorflow as tf
      from orbax.export import ExportManager, JaxModule, ServingConfig
  except ImportError as error:
    raise UserError(
      f"a SavedModel needs {error.name}, which is not installed; pip install 'llve_jax[export]'"
    ) from error

  run = pure(network.module)

  def apply(variables: dict[str, Any], clip: jax.Array) -> dict[str, jax.Array]:
    return {"clip": run(variables, clip, None, None)[0]}

  with _quiet():
    module = JaxModule(
      jax.device_get(network.variables),
      apply,
      trainable=False,
      input_polymorphic_shape="b, t, h, w, 3",
      jax2tf_kwargs={"native_serialization_platforms": PLATFORMS},
    )
    serving = ServingConfig(
      "serving_default",
      input_signature=[tf.TensorSpec([None, None, None, None, 3], tf.float32, name="clip")],
    )
    ExportManager(module, [serving]).save(str(folder))
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


@contextlib.contextmanager
def _quiet_import() -> Iterator[None]:
  """TensorFlow's libraries greet on the standard error file itself, whatever their log level."""
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
  sys.stderr.flush()
  kept = os.dup(2)
  try:
    with open(os.devnull, "w") as nothing:
      os.dup2(nothing.fileno(), 2)
    yield
  finally:
    os.dup2(kept, 2)
    os.close(kept)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """TensorFlow and orbax report every asset they write; the command says it once."""
  before = absl.logging.get_verbosity()
  absl.logging.set_verbosity(absl.logging.ERROR)
  try:
    yield
  finally:
    absl.logging.set_verbosity(before)
