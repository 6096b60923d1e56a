import importlib.util

import jax
import numpy as np
import onnx
import onnxruntime
import pytest
from jax import export

from llve_jax.errors import UserError
from llve_jax.export import formats, litert, onnx_file, signatures
from llve_jax.export.options import Options
from llve_jax.export.probes import noise
from llve_jax.ops.resize import bilinear_enlarge, reflect_pad
from tests.export.conftest import run

SIZE = (20, 24)


def test_a_memory_is_inputs_and_outputs_and_every_size_is_open(tmp_path, trail):
  written = formats.export(trail, tmp_path / "out", "onnx")
  assert {trial.name for trial in written.parity.trials} == {
    "next, scene of 2 x 50 x 36 x 52",
    "next, noise of 3 x 2 x 5 x 3",
  }
  assert written.parity.largest <= written.parity.allowed
  assert {path.name for path in (tmp_path / "out").iterdir()} == {
    "start.onnx",
    "next.onnx",
    formats.CARD,
  }
  graph = onnx.load(tmp_path / "out" / "next.onnx").graph
  names = {"frame", "carry_frame", "carry_seen"}
  assert {each.name for each in graph.input} == names
  assert {each.name for each in graph.output} == {f"out_{name}" for name in names}
  sizes = {each.name: sizes_of(each) for each in (*graph.input, *graph.output)}
  assert sizes["frame"] == sizes["out_frame"] == ["b", "h", "w", 3]
  assert sizes["carry_frame"] == sizes["out_carry_frame"] == ["b", "h", "w", 3]
  assert sizes["carry_seen"] == ["b"]


def test_our_own_network_hands_on_its_memory_at_any_size(streaming):
  _, start, following = signatures.of(streaming)
  model = onnx_file._as_onnx(litert.converted(streaming, (following,), Options()), following)
  session = onnxruntime.InferenceSession(model.SerializeToString())
  dark = noise((2, 2, 9, 21), streaming.traits, 0)
  memory = jax.jit(start.apply)(streaming.variables, {"frame": dark[:, 0]})
  inputs = {**memory, "frame": dark[:, 1]}
  expected = jax.jit(following.apply)(streaming.variables, inputs)
  names = [each.name for each in session.get_outputs()]
  given = {name: np.asarray(value) for name, value in inputs.items()}
  for name, found in zip(names, session.run(names, given), strict=True):
    np.testing.assert_allclose(found, expected[name.removeprefix("out_")], atol=2e-4)


def test_pixels_beyond_the_border_and_between_others_at_any_size(gain):
  """Reflected ones were found by remainders of negative numbers, the others by a comparison."""

  def apply(variables, inputs):
    return {"clip": bilinear_enlarge(reflect_pad(inputs["clip"], 3), 2, align_corners=True)}

  clip = jax.ShapeDtypeStruct(export.symbolic_shape("n, h, w, 3"), np.float32)
  outputs = jax.eval_shape(apply, {}, {"clip": clip})
  one = signatures.Signature("serving_default", apply, {"clip": clip}, outputs, ())
  model = onnx_file._as_onnx(litert.converted(gain, (one,), Options()), one)
  session = onnxruntime.InferenceSession(model.SerializeToString())
  images = noise((1, 2, 2, 5), gain.traits, 0)[0]
  (found,) = session.run(None, {"clip": images})
  expected = jax.jit(apply)({}, {"clip": images})["clip"]
  np.testing.assert_allclose(found, expected, atol=1e-6)


def sizes_of(value) -> list:
  return [each.dim_param or each.dim_value for each in value.type.tensor_type.shape.dim]


def test_a_memory_of_fixed_size(tmp_path, trail):
  written = formats.export(trail, tmp_path / "out", "onnx", Options(size=SIZE))
  assert written.parity.largest <= written.parity.allowed
  graph = onnx.load(tmp_path / "out" / "next.onnx").graph
  sizes = {each.name: sizes_of(each) for each in (*graph.input, *graph.output)}
  assert sizes["frame"] == sizes["carry_frame"] == sizes["out_frame"] == [1, *SIZE, 3]


def test_planes_as_a_player_asks_for_them(tmp_path, network):
  """VapourSynth's vs-mlrt names the size of the input and wants to be told that of the output."""
  onnx_file.write(network, tmp_path / "out", Options(layout="nchw"))
  model = onnx.load(tmp_path / "out" / "serving_default.onnx")
  (given,), (result,) = model.graph.input, model.graph.output
  assert sizes_of(given) == sizes_of(result) == [1, 3, "h", "w"]
  for axis, side in ((2, 30), (3, 44)):
    given.type.tensor_type.shape.dim[axis].dim_value = side
  del model.graph.value_info[:]
  session = onnxruntime.InferenceSession(
    onnx.shape_inference.infer_shapes(model).SerializeToString()
  )
  assert session.get_outputs()[0].shape == [1, 3, 30, 44]
  dark = noise((1, 1, 30, 44), network.traits, 0)
  (found,) = session.run(None, {given.name: np.ascontiguousarray(dark[0].transpose(0, 3, 1, 2))})
  np.testing.assert_allclose(found[0].transpose(1, 2, 0), run(network, dark)[0, 0], atol=1e-5)


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
    (Options(frames=2), "or pass --size=WIDTHxHEIGHT"),
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
  monkeypatch.setattr(
    onnx_file.onnx_graph, "clip", lambda model: None
  )  # leaves an unknown operation
  with pytest.raises(UserError, match=r"cannot be written in ONNX: .*TFL_RELU_0_TO_1"):
    formats.export(network, tmp_path / "out", "onnx", Options(size=SIZE))
  assert not any(tmp_path.iterdir())
