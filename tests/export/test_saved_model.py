import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from llve_jax.errors import UserError
from llve_jax.export import saved_model
from tests.export.conftest import run


@pytest.fixture(scope="module")
def loaded(folder):
  return tf.saved_model.load(str(folder))


def clips(*size: int) -> np.ndarray:
  return 0.2 * np.random.default_rng(0).random((*size, 3), dtype=np.float32)


def test_the_signature_leaves_every_size_open(loaded):
  signature = loaded.signatures["serving_default"]
  assert signature.structured_input_signature[1].keys() == {"clip"}
  (spec,) = signature.structured_input_signature[1].values()
  assert (spec.shape.as_list(), spec.dtype) == ([None] * 4 + [3], tf.float32)
  assert signature.structured_outputs.keys() == {"clip"}


@pytest.mark.parametrize("size", [(1, 1, 33, 47), (3, 2, 5, 2), (1, 1, 1, 1)], ids=str)
def test_it_equals_the_network_on_any_size(loaded, network, size):
  found = loaded.signatures["serving_default"](clip=tf.constant(clips(*size)))["clip"].numpy()
  expected = np.asarray(run(network, clips(*size)))
  assert 0 < expected.mean() < 1
  np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_result_is_clipped(loaded):
  enhance = loaded.signatures["serving_default"]
  found = enhance(clip=tf.constant(40 * clips(1, 1, 16, 16)))["clip"].numpy()
  assert (found.min(), found.max()) == (0, 1)


def test_it_is_compiled_for_processors_and_accelerators(loaded):
  graph = loaded.signatures["serving_default"].graph.as_graph_def()
  nodes = [node for function in graph.library.function for node in function.node_def]
  (call,) = {n.attr["module"].s: n for n in nodes if n.op == "XlaCallModule"}.values()
  assert {p.decode() for p in call.attr["platforms"].list.s} == {"CPU", "CUDA", "TPU"}


def test_its_programs_are_in_a_version_that_tensorflow_reads(folder):
  model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
  functions = model.meta_graphs[0].graph_def.library.function
  programs = [n.attr["module"].s for f in functions for n in f.node_def if n.op == "XlaCallModule"]
  assert programs
  for program in programs:
    assert program[4:].partition(b"\0")[0].strip() == b"StableHLO_v1.13.0"


def test_no_file_tells_where_it_was_made(folder):
  for file in folder.rglob("*"):
    assert file.is_dir() or str(Path(saved_model.__file__).parents[2]).encode() not in (
      file.read_bytes()
    ), file


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_tensorflow_lite_can_convert_it(folder, network):
  """With builtin operations alone and every size open, as a phone needs it."""
  content = tf.lite.TFLiteConverter.from_saved_model(
    str(folder), signature_keys=["serving_default"]
  ).convert()
  interpreter = tf.lite.Interpreter(model_content=content)
  place = interpreter.get_input_details()[0]["index"]
  for size in ((1, 1, 9, 16), (2, 1, 3, 1)):
    interpreter.resize_tensor_input(place, (*size, 3))
    interpreter.allocate_tensors()
    interpreter.set_tensor(place, clips(*size))
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, run(network, clips(*size)), atol=1e-5)


def test_weights_are_variables_not_constants(loaded, network):
  variables = loaded.tf_var_leaves
  assert len(variables) == len(list(_leaves(network.variables)))
  graph = loaded.signatures["serving_default"].graph.as_graph_def()
  largest = max(leaf.size * 4 for leaf in _leaves(network.variables["params"]))
  nodes = [node for function in graph.library.function for node in function.node_def]
  constants = [len(n.attr["value"].tensor.tensor_content) for n in nodes if n.op == "Const"]
  assert max(constants, default=0) < largest


def _leaves(tree):
  for value in tree.values():
    if isinstance(value, dict):
      yield from _leaves(value)
    else:
      yield value


@pytest.mark.parametrize("package", ["tensorflow", "orbax.export"])
def test_a_missing_package_says_what_to_install(monkeypatch, tmp_path, network, package):
  monkeypatch.setitem(sys.modules, package, None)
  with pytest.raises(UserError, match=r"pip install 'llve_jax\[export\]'") as caught:
    saved_model.write(network, tmp_path / "model")
  assert package.partition(".")[0] in str(caught.value)
  assert not any(tmp_path.iterdir())


def test_standard_error_comes_back_after_the_import(monkeypatch, capfd, tmp_path, network):
  monkeypatch.setitem(sys.modules, "tensorflow", None)
  with pytest.raises(UserError):
    saved_model.write(dataclasses.replace(network), tmp_path / "model")
  print("still here", file=sys.stderr)
  assert "still here" in capfd.readouterr().err
