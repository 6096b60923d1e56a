"""What docs/SERVING.md says, typed against a stand-in for TensorFlow Serving (serving.py)."""

import base64
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest

from llve_jax.export import saved_model
from llve_jax.export.probes import scene
from llve_jax.ops.frames import to_8_bit, to_unit
from tests.export.conftest import run

DOCUMENT = Path(__file__).parents[2] / "docs" / "SERVING.md"


@pytest.fixture(scope="module")
def ports(gain, trail, tmp_path_factory):
  """Those of a server of `night`, whose version 10 is newer than 9."""
  base = tmp_path_factory.mktemp("models")
  for version, network in (("9", gain), ("10", trail)):
    saved_model.write(network, base / version, saved_model.Options(warm_up=(8, 9)))
  script = Path(__file__).with_name("serving.py")
  process = subprocess.Popen(
    [sys.executable, "-P", str(script), str(base), "night"],
    env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  try:
    said = process.stdout.readline()
    assert said, process.stderr.read()
    yield json.loads(said)
  finally:
    process.kill()
    process.communicate()


def programs() -> dict:
  """The functions that the document defines."""
  names: dict = {}
  for program in re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL):
    exec(program, names)
  return names


def post(ports, request, path="/v1/models/night:predict"):
  url = f"http://localhost:{ports['rest']}{path}"
  with urllib.request.urlopen(url, json.dumps(request).encode()) as answer:
    return json.load(answer)


def test_the_newest_version_is_served(ports):
  with urllib.request.urlopen(f"http://localhost:{ports['rest']}/v1/models/night") as answer:
    (status,) = json.load(answer)["model_version_status"]
  assert (status["version"], status["state"]) == ("10", "AVAILABLE")


def test_pictures_by_the_program_of_the_document(ports, trail):
  dark = to_8_bit(scene((2, 1, 12, 14), trail.traits)[:, 0])
  pictures = [cv2.imencode(".png", image[..., ::-1])[1].tobytes() for image in dark]
  url = f"http://localhost:{ports['rest']}/v1/models/night:predict"
  found = programs()["brighten"](pictures, url)
  images = [cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_COLOR) for each in found]
  expected = to_8_bit(run(trail, to_unit(dark)[:, None])[:, 0])
  np.testing.assert_allclose(np.stack(images)[..., ::-1], expected, atol=1)


def test_a_video_by_the_program_of_the_document(ports, trail):
  clip = scene((1, 6, 8, 9), trail.traits)
  brighten_video = programs()["brighten_video"]
  found = np.stack([*brighten_video(clip[0], f"localhost:{ports['grpc']}")])
  np.testing.assert_allclose(found, run(trail, clip)[0], atol=1e-5)


def test_clips_and_memories_as_json(ports, trail):
  clip = scene((2, 2, 4, 5), trail.traits)
  rows = post(ports, {"instances": [{"clip": each.tolist()} for each in clip]})["predictions"]
  np.testing.assert_allclose(rows, run(trail, clip), atol=1e-5)
  first = {"signature_name": "start", "inputs": {"frame": clip[:, 0].tolist()}}
  memory = post(ports, first)["outputs"]
  memory["frame"] = clip[:, 1].tolist()
  found = post(ports, {"signature_name": "next", "inputs": memory})["outputs"]
  np.testing.assert_allclose(found["frame"], run(trail, clip)[:, 1], atol=1e-5)


@pytest.mark.parametrize(
  ("request_", "message"),
  [
    ({"signature_name": "none", "inputs": {}}, "none"),
    ({"signature_name": "encoded", "instances": [{"b64": "bm8gcGljdHVyZQ=="}]}, "image"),
    ({"instances": [[[0.5]]]}, "rank|shape"),
  ],
)
def test_a_bad_request_is_answered_and_the_server_lives(ports, request_, message):
  with pytest.raises(urllib.error.HTTPError) as caught:
    post(ports, request_)
  assert caught.value.code == 400
  assert re.search(message, json.load(caught.value)["error"], re.IGNORECASE)
  picture = base64.b64encode(cv2.imencode(".png", np.zeros((2, 2, 3)))[1].tobytes()).decode()
  assert post(ports, {"signature_name": "encoded", "instances": [{"b64": picture}]})["predictions"]
