"""The parts of the benchmark of the data pipeline; not its figures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.benchmarks import feeding
from llve_jax.data.frames import decode_frame
from llve_jax.errors import UserError


@pytest.mark.parametrize("how", ["png", "stored", "plain"])
@pytest.mark.parametrize(("channels", "dtype"), [(3, np.uint8), (1, np.uint16)])
def test_encodings_keep_every_value(how: str, channels: int, dtype: Any) -> None:
  rng = np.random.default_rng(0)
  frame = rng.integers(0, np.iinfo(dtype).max, (6, 9, channels), dtype)
  np.testing.assert_array_equal(decode_frame(feeding.encode(frame, how)), frame)


def test_encodings_that_do_not_fit() -> None:
  grey = np.full((8, 8, 3), 128, np.uint8)
  assert np.ptp(decode_frame(feeding.encode(grey, "jpeg"))) < 3
  with pytest.raises(UserError, match="jpeg holds 8 bits"):
    feeding.encode(grey.astype(np.uint16), "jpeg")
  with pytest.raises(UserError, match="'gif' is unknown; known: png, stored, plain, jpeg"):
    feeding.encode(grey, "gif")


@pytest.mark.parametrize(
  ("mosaics", "still", "crop"), [(False, False, 16), (True, False, 8), (True, True, 8)]
)
def test_synthetic_examples_can_be_trained_on(
  tmp_path: Path, mosaics: bool, still: bool, crop: int
) -> None:
  source = feeding.synthetic((24, 40), 3, mosaics=mosaics, still=still, how="png", folder=tmp_path)
  example = source[0]
  assert (len(example["low"]), len(example["high"])) == (3, 1 if still else 3)
  settings = {"frames": 2, "crop": crop, "seed": 0, "augment": "flip", "apart": still}
  speed = feeding.measure(source, settings, threads=[0, 1], processes=0, clips=1, repeats=1)
  assert speed.decode > 0
  assert all(rate > 0 for rate in speed.clips.values())


def test_the_size_of_stored_frames() -> None:
  assert feeding.stored_size("", "smid") == (1836, 2752)
  assert feeding.stored_size("", "sdsd") == (1080, 1920)
  assert feeding.stored_size("256x320", "smid") == (256, 320)
  for wrong in ("256", "256x", "0x9", "axb"):
    with pytest.raises(UserError, match=f"--stored={wrong}: expected HEIGHTxWIDTH"):
      feeding.stored_size(wrong, "smid")


def test_what_the_plan_says_of_a_host(tmp_path: Path) -> None:
  path = tmp_path / "plan.json"
  runs = [{"chips": 8, "clips_per_second": 40.0}, {"chips": 256, "clips_per_second": 1024.0}]
  path.write_text(json.dumps({"config": "x", "training": [{"run": run} for run in runs]}))
  assert feeding.planned(path, 8) == 40
  path.write_text(json.dumps({"config": "x", "scaling": runs[1:]}))
  assert feeding.planned(path, 4) == 16


@pytest.mark.parametrize("content", ["", "[]", '{"training": [3]}', '{"a": [{"topology": "x"}]}'])
def test_a_plan_without_a_prediction_is_named(tmp_path: Path, content: str) -> None:
  path = tmp_path / "plan.json"
  path.write_text(content)
  with pytest.raises(UserError, match=r"plan\.json: .*experiments\.plan"):
    feeding.planned(path, 8)
  with pytest.raises(UserError, match=r"none\.json: expected a file"):
    feeding.planned(tmp_path / "none.json", 8)


def test_the_verdict_counts_two_vcpu_as_a_core() -> None:
  speed = feeding.Speed(read=10, decode=30, rest=10, clips={})
  assert speed.per_core == 20
  said = [feeding.verdict(speed, wanted, 224) for wanted in (None, 1120, 1121, 2241)]
  assert "2240 clips/s" in said[0]
  assert [part.split()[-1] for part in said[1:]] == ["enough", "close", "starves"]
