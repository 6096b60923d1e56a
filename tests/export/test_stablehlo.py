import hashlib
import json

import jax
import numpy as np
import safetensors.numpy

from llve_jax.export import formats, probes, stablehlo
from llve_jax.io import bundle
from tests.export.conftest import run


def test_raw_light_in_any_size(tmp_path, xtrans):
  lines = stablehlo.write(xtrans, tmp_path / "out")
  assert lines[0].startswith("serving_default: clip float32 [b, t, h, w, 9]")
  weights = safetensors.numpy.load_file(tmp_path / "out" / stablehlo.WEIGHTS)
  content = (tmp_path / "out" / "serving_default.stablehlo").read_bytes()
  program = jax.export.deserialize(bytearray(content))
  assert set(program.platforms) == {"cpu", "cuda", "tpu"}
  assert not program.has_vjp()
  for size in ((1, 1, 1, 1), (3, 2, 9, 7)):
    clip = probes.noise(size, xtrans.traits, 0)
    found = program.call(weights, {"clip": clip})["clip"]
    np.testing.assert_allclose(found, run(xtrans, clip), atol=1e-5)


def test_one_that_streams_equals_the_clip_in_a_process_with_jax_alone(tmp_path, trail):
  found = formats.export(trail, tmp_path / "out", "stablehlo")
  (stream,) = [each for each in found.parity.trials if each.name.startswith("next")]
  assert stream.name == "next, scene of 2 x 50 x 36 x 52"
  assert stream.largest <= found.parity.allowed
  names = {"serving_default", "start", "next"}
  assert {path.stem for path in (tmp_path / "out").glob("*.stablehlo")} == names

  said = json.loads((tmp_path / "out" / formats.CARD).read_text())
  assert (said["input"]["streaming"], said["input"]["channels"]) == (True, 3)
  assert set(said["files"]) == {f"{name}.stablehlo" for name in names} | {stablehlo.WEIGHTS}
  for name, facts in said["files"].items():
    content = (tmp_path / "out" / name).read_bytes()
    assert facts == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}

  read = bundle.load(tmp_path / "out" / stablehlo.WEIGHTS)  # a network file like any other
  assert (read.name, read.kwargs) == (trail.name, trail.kwargs)
