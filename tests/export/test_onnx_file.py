import importlib.util

import numpy as np
import onnx
import onnxruntime
import pytest

from llve_jax.errors import UserError
from llve_jax.export import formats, onnx_file
from llve_jax.export.options import Options
from llve_jax.export.probes import noise
from tests.export.conftest import run

SIZE = (20, 24)


def test_one_that_streams_has_its_memory_as_inputs_and_outputs(tmp_path, streaming):
  written = formats.export(streaming, tmp_path / "out", "onnx", Options(size=SIZE))
  assert written.parity.largest <= written.parity.allowed
  assert {path.name for path in (tmp_path / "out").iterdir()} == {
    "start.onnx",
    "next.onnx",
    formats.CARD,
  }
  graph = onnx.load(tmp_path / "out" / "next.onnx").graph
  names = {"frame", "carry_code", "carry_count", "carry_features", "carry_frame"}
  assert {each.name for each in graph.input} == names
  assert {each.name for each in graph.output} == {f"out_{name}" for name in names}


def test_raw_light_by_builtin_operators(tmp_path, xtrans):
  onnx_file.write(xtrans, tmp_path / "out", Options(size=SIZE))
  path = tmp_path / "out" / "serving_default.onnx"
  model = onnx.load(path)
  assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]
  assert {node.domain for node in model.graph.node} == {""}
  clip = noise((1, 1, *SIZE), xtrans.traits, 0)
  session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
  (found,) = session.run(["out_clip"], {"clip": clip})
  assert found.shape == (1, 1, 60, 72, 3)
  np.testing.assert_allclose(found, run(xtrans, clip), atol=1e-5)


@pytest.mark.parametrize(
  ("options", "message"),
  [
    (Options(), "pass --size=WIDTHxHEIGHT"),
    (Options(size=SIZE, precision="float16"), "leave --precision=float16 out"),
  ],
)
def test_bad_input_leaves_nothing(tmp_path, network, options, message):
  with pytest.raises(UserError, match=message):
    formats.export(network, tmp_path / "out", "onnx", options)
  assert not any(tmp_path.iterdir())


def test_a_missing_package_says_what_to_install(tmp_path, network, monkeypatch):
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else name)
  with pytest.raises(UserError, match=r"needs onnx, .*pip install 'llve_jax\[export\]'"):
    formats.export(network, tmp_path / "out", "onnx", Options(size=SIZE))
  assert not any(tmp_path.iterdir())


def test_what_has_no_equal_is_refused(tmp_path, network, monkeypatch):
  monkeypatch.setattr(onnx_file, "_clip", lambda model: None)  # leaves an unknown operation
  with pytest.raises(UserError, match=r"cannot be written in ONNX: .*TFL_RELU_0_TO_1"):
    formats.export(network, tmp_path / "out", "onnx", Options(size=SIZE))
  assert not any(tmp_path.iterdir())
