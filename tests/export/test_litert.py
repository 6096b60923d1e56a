import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from llve_jax.errors import UserError
from llve_jax.export import formats, litert
from llve_jax.export.options import Options
from llve_jax.io.video import write_video

SIZE = (20, 24)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
  path = tmp_path_factory.mktemp("video") / "dark.mp4"
  clip = np.random.default_rng(0).integers(0, 60, (10, 40, 48, 3)).astype(np.uint8)
  write_video(path, clip, 25)
  return str(path)


def network_of(folder) -> Interpreter:
  return Interpreter(str(folder / litert.NAME))


def test_one_that_streams_hands_on_its_memory(tmp_path, streaming):
  written = formats.export(streaming, tmp_path / "out", "litert", Options(size=SIZE))
  assert [line.partition(":")[0] for line in written.signatures] == ["start", "next"]
  assert {trial.name for trial in written.parity.trials} == {
    "next, scene of 1 x 8 x 20 x 24",
    "next, noise of 1 x 8 x 20 x 24",
  }
  assert written.parity.largest <= written.parity.allowed
  assert {"1", "2"} == written.parity.milliseconds.keys()
  found = network_of(tmp_path / "out").get_signature_list()
  assert set(found) == {"start", "next"}
  assert "carry_features" in found["next"]["inputs"]


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_fewer_bits_are_near(tmp_path, network, video, precision):
  options = Options(size=SIZE, precision=precision, video=video)
  written = formats.export(network, tmp_path / "out", "litert", options)
  assert any("video" in trial.name for trial in written.parity.trials)
  assert all(np.isfinite(trial.psnr) for trial in written.parity.trials)
  types = {np.dtype(each["dtype"]) for each in network_of(tmp_path / "out").get_tensor_details()}
  assert np.dtype(precision) in types


def test_int8_of_one_that_streams_is_refused(tmp_path, streaming, video):
  options = Options(size=SIZE, precision="int8", video=video)
  with pytest.raises(UserError, match=r"recurrent_unet does; choose --precision=float16"):
    formats.export(streaming, tmp_path / "out", "litert", options)
  assert not any(tmp_path.iterdir())


def test_int8_without_a_video_that_does_leaves_nothing(tmp_path, network, video):
  for path, message in (
    (None, "pass --calibrate=VIDEO"),
    (str(tmp_path / "no.mp4"), "no such file; expected a dark video"),
    (video, "expected 12 frames at least, found 10; take a longer one"),
  ):
    options = Options(size=SIZE, frames=12, precision="int8", video=path)
    with pytest.raises(UserError, match=message):
      formats.export(network, tmp_path / "out", "litert", options)
  assert not any(tmp_path.iterdir())


def test_only_builtin_operations(tmp_path, network):
  litert.write(network, tmp_path / "out", Options(size=SIZE, frames=2))
  interpreter = network_of(tmp_path / "out")
  runner = interpreter.get_signature_runner("serving_default")
  assert runner(clip=np.zeros((1, 2, *SIZE, 3), np.float32))["clip"].shape == (1, 2, *SIZE, 3)
  names = {op["op_name"] for op in interpreter._get_ops_details()}
  assert not [name for name in names if name.startswith(("Flex", "CUSTOM", "STABLEHLO"))]


def test_without_its_runtime_nothing_is_written(tmp_path, network, monkeypatch):
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  with pytest.raises(UserError, match=r"needs ai_edge_litert.*pip install 'llve_jax\[export\]'"):
    formats.export(network, tmp_path / "out", "litert", Options(size=SIZE))
  assert not any(tmp_path.iterdir())


def test_what_cannot_be_converted_is_refused(tmp_path, network, monkeypatch):
  import tensorflow as tf

  def fail(self):
    raise RuntimeError("no such operation: Gain")

  monkeypatch.setattr(tf.lite.TFLiteConverter, "from_saved_model", lambda *_, **__: Stub(fail))
  with pytest.raises(UserError, match=r"cannot convert zero_dce to LiteRT: no such oper"):
    formats.export(network, tmp_path / "out", "litert", Options(size=SIZE))
  assert not any(tmp_path.iterdir())


def test_the_operation_that_does_not_go_is_named():
  place = 'error: loc(callsite(fused["XlaCallModule:"])): '
  for said in ("failed to legalize operation 'mhlo.slice'", "'vhlo.gather_v1' op is not known."):
    assert litert._reason(RuntimeError(f"{place}{said}\n<unknown>:0: note: x")) == said


class Stub:
  """A converter that fails."""

  def __init__(self, fail):
    from types import SimpleNamespace

    self.target_spec = SimpleNamespace()
    self.convert = lambda: fail(self)


@pytest.mark.parametrize(("frames", "windows"), [(3, 1), (5, 3)])
def test_ranges_are_set_by_every_window_of_the_video_and_of_a_scene(
  gain, monkeypatch, frames, windows
):
  real = np.arange(frames, dtype=np.uint8)[:, None, None, None] * np.ones((6, 8, 3), np.uint8)
  monkeypatch.setattr(litert, "_real", lambda network, options: real)
  offered = SimpleNamespace(name="serving_default", inputs={"clip": np.zeros((1, 3, 6, 8, 3))})
  found = list(litert._examples(gain, Options(), offered))
  assert {name for name, _ in found} == {"serving_default"}
  clips = [inputs["clip"] for _, inputs in found]
  assert len(clips) == 2 * windows
  for first, clip in enumerate(clips[:windows]):
    np.testing.assert_allclose(255 * clip[0, :, 0, 0, 0], first + np.arange(3), atol=1e-4)
  assert all(clip.shape == (1, 3, 6, 8, 3) for clip in clips)
  assert max(clip.max() for clip in clips[windows:]) > 0.5  # a lamp
