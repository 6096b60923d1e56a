import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.export import command, formats
from llve_jax.io import bundle
from llve_jax.io.run_folder import BEST
from tests import commands


@pytest.fixture
def workdir(tmp_path, network):
  path = tmp_path / "run"
  path.mkdir()
  bundle.save(
    path / BEST,
    bundle.Bundle(network.name, network.kwargs, network.variables, network.origin),
  )
  return path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
  root = str(Path(__file__).parents[2])
  path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
  environment = {**os.environ, "PYTHONPATH": path}
  command = [sys.executable, *arguments]
  return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_what_it_prints_is_what_one_types_next(tmp_path, workdir):
  out = tmp_path / "model"
  done = run("-m", "llve_jax.export", f"--model={workdir}", str(out))
  assert done.returncode == 0, done.stderr
  assert done.stderr == ""
  assert f"wrote {out}: zero_dce as saved_model" in done.stdout
  assert "signature serving_default: clip float32 [b, t, h, w, 3]" in done.stdout
  assert "signature encoded: image_bytes" in done.stdout
  assert "(allowed: 1.0e-05)" in done.stdout
  assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "run"]

  dark = np.full((2, 3, 5, 7, 3), 0.1, np.float32)
  bright = typed(done.stdout, dark)
  assert (bright.shape, bright.dtype) == (dark.shape, np.float32)


_STOPPED = """
import signal, sys
from llve_jax.errors import run_main
from llve_jax.export import __main__, command
from llve_jax.io.atomic import replacing

def run(out, **options):
  with replacing(out) as temporary:
    temporary.mkdir()
    signal.raise_signal(signal.SIGTERM)

command.run = run
sys.argv = ["export", "--model=night", {out!r}]
run_main(__main__.main)
"""


def test_what_is_stopped_leaves_nothing(tmp_path):
  done = run("-c", _STOPPED.format(out=str(tmp_path / "out")))
  assert done.returncode == 130, done.stderr
  assert done.stderr == f"stopped: {tmp_path / 'out'} was not written\n"
  assert not any(tmp_path.iterdir())


def typed(said: str, dark: np.ndarray) -> np.ndarray:
  """What comes of the lines that the command prints."""
  names = {"dark": dark}
  exec("\n".join(map(str.strip, said.partition("to use it:\n")[2].splitlines())), names)
  return names["bright"]


def test_planes_as_one_types_them(tmp_path, workdir):
  said = command.run(str(tmp_path / "out"), model=workdir, format="onnx", layout="nchw")
  assert "signature serving_default: frame float32 [1, 3, h, w] -> frame" in said
  dark = np.full((1, 3, 9, 7), 0.1, np.float32)
  assert typed(said, dark).shape == dark.shape


def test_versions_follow_each_other(tmp_path, gain, monkeypatch, numpy_format):
  monkeypatch.setitem(formats.FORMATS, "good", numpy_format())
  monkeypatch.setattr(command.trained, "load", lambda model: gain)
  for version in ("1", "2"):
    said = command.run(str(tmp_path / "base"), model="gain", format="good", versions=True)
    assert said.startswith(f"wrote {tmp_path / 'base' / version}: gain as good")
  assert sorted(path.name for path in (tmp_path / "base").iterdir()) == ["1", "2"]


def test_several_formats_each_get_a_folder(tmp_path, gain, monkeypatch, numpy_format):
  asked = {}

  def export(network, path, format, options, **others):
    asked[format] = options
    return formats_export(network, path, format, options, **others)

  formats_export = formats.export
  monkeypatch.setattr(formats, "export", export)
  for name in ("saved_model", "onnx"):
    monkeypatch.setitem(formats.FORMATS, name, numpy_format())
  monkeypatch.setattr(command.trained, "load", lambda model: gain)
  options = {"model": "gain", "size": "5x3", "warm_up": "8x6", "frames": 2}
  out = tmp_path / "out"
  said = command.run(str(out), format="saved_model,onnx,onnx", **options)
  assert said.count("to use it:") == 2
  assert f"wrote {out / 'onnx'}: gain as onnx" in said
  assert sorted(path.name for path in out.iterdir()) == ["llve_jax.json", "onnx", "saved_model"]
  assert (out / "onnx" / formats.CARD).is_file()
  assert (asked["saved_model"].size, asked["saved_model"].warm_up) == (None, (6, 8))
  assert (asked["onnx"].size, asked["onnx"].frames, asked["onnx"].warm_up) == ((3, 5), 2, None)

  monkeypatch.setitem(formats.FORMATS, "onnx", numpy_format(1.01))
  with pytest.raises(UserError, match="differs from the network"):
    command.run(str(tmp_path / "other"), format="saved_model,onnx", **options)
  assert [path.name for path in tmp_path.iterdir()] == ["out"]  # all or none


@pytest.mark.slow
@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (("--model={run}",), "expected one path, OUT; found none"),
    (("--model={run}", "--format=coreml", "{out}"), "known: litert, onnx, saved_model, stablehlo"),
  ],
)
def test_bad_input_ends_with_one_line_and_code_2(tmp_path, workdir, arguments, message):
  given = [text.format(run=workdir, out=tmp_path / "out") for text in arguments]
  done = commands.run("llve_jax.export", *given)
  assert done.returncode == 2
  assert done.stdout == ""
  (line,) = done.stderr.splitlines()
  assert line.startswith("error: ")
  assert message in line
  assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
  ("out", "options", "message"),
  [
    ("out", {"model": "run", "layout": "nchw"}, "--layout=nchw is of --format=onnx alone"),
    ("out", {"model": "run", "layout": "chw"}, "expected one of clip, nchw"),
    ("out", {"model": "run", "warm_up": "64"}, "--warm_up=64: expected WIDTHxHEIGHT"),
    ("out", {"model": "run", "format": "onnx", "warm_up": "8x8"}, "of --format=saved_model alone"),
    ("out", {"model": "run", "format": "onnx", "frames": 2}, "or pass --size=WIDTHxHEIGHT"),
    ("out", {"model": "run", "versions": True, "size": "8x8"}, "leave --size and --frames out"),
    ("run", {"model": "run", "versions": True}, "found best.safetensors in it"),
    ("out", {"model": None}, "pass --model=NAME|FILE|DIR"),
    ("out", {"model": "run", "format": "litert"}, "pass --size=WIDTHxHEIGHT"),
    ("out", {"model": "run", "format": "litert", "size": "640"}, "expected WIDTHxHEIGHT"),
    ("out", {"model": "run", "size": "640x360"}, "leave --size and --frames out"),
    ("out", {"model": "run", "precision": "int8"}, "leave --precision=int8 out"),
    ("out", {"model": "run", "calibrate": "no.mp4"}, "--calibrate=no.mp4: no such file"),
    ("out", {"model": "."}, "holds no trained network"),
    ("out", {"model": "run", "format": "onnx2"}, "no export format is called 'onnx2'"),
    ("out", {"model": "run", "format": "onnx,coreml"}, "no export format is called 'coreml'"),
    ("out", {"model": "run", "format": "onnx,litert"}, "litert has a fixed size; pass --size"),
    ("out", {"model": "run", "format": "onnx,stablehlo", "warm_up": "8x8"}, "of --format=saved_m"),
    ("out", {"model": "run", "format": "onnx,stablehlo", "versions": True}, "is of one format"),
    ("out", {"model": "nowhere"}, "nowhere: no such file or folder"),
    ("missing/out", {"model": "run"}, "does not exist; create it first"),
    ("run", {"model": "run"}, "exists and is no older export"),
    ("run/best.safetensors", {"model": "run"}, "exists and is no older export"),
  ],
)
def test_bad_input_leaves_nothing(tmp_path, workdir, monkeypatch, out, options, message):
  monkeypatch.chdir(tmp_path)
  before = (workdir / BEST).read_bytes()
  with pytest.raises(UserError, match=message):
    command.run(out, **options)
  assert [path.name for path in tmp_path.iterdir()] == ["run"]
  assert [path.name for path in workdir.iterdir()] == [BEST]
  assert (workdir / BEST).read_bytes() == before
