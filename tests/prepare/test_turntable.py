"""One scene from its files to its crops, against what is known of how it was filmed."""

import cv2
import numpy as np
import pytest

from experiments.benchmarks import prepare as bench
from llve_jax.errors import UserError
from llve_jax.io.images import read_image, write_image
from llve_jax.io.video import read_frames
from llve_jax.prepare import turntable
from llve_jax.prepare.match import Matches
from llve_jax.prepare.scene_log import SceneLog
from llve_jax.prepare.settings import Settings
from llve_jax.prepare.shoot import find_scenes
from llve_jax.prepare.turntable import prepare_scene


def _prepare(shoot, folder, **values):
  (scene,) = find_scenes(shoot, "turntable", out=folder)
  folder.mkdir(exist_ok=True)
  return prepare_scene(scene, scene.folder.parent, folder, Settings(**values)).records


def test_pairs_of_a_pan_retraced_in_reverse(shoot, filmed, tmp_path):
  _, truth = filmed
  records = _prepare(shoot, tmp_path / "out", crops="none")
  assert [record["status"] for record in records] == ["kept"] * 6
  assert [record["pair"] for record in records] == list(range(6))
  assert [record["still"] for record in records] == [
    f"lamp/stills/{number:04d}.png" for number in reversed(range(6))
  ]
  frames = [frame.image for frame in read_frames(shoot / "lamp" / "dark.mp4")]
  for record in records:
    still = int(record["still"][-8:-4])
    assert record["frame"] == truth.nearest(still)
    assert record["time"] == pytest.approx(record["frame"] / 24, abs=1e-3)
    assert record["fps"] == 24
    assert record["box"] == [0, 0, 320, 180]
    assert record["correlation"] > record["match_correlation"] - 0.01 > 0.5
    error = record["shift"] - truth.shift(still, record["frame"])
    assert np.hypot(*error) < 0.4
    low, high, mask = (
      read_image(tmp_path / "out" / side / f"{record['pair']:04d}_0.png")
      for side in ("input", "gt", "mask")
    )
    np.testing.assert_array_equal(low, frames[record["frame"]])  # not interpolated
    assert set(np.unique(mask)) == {0, 255}
    # Where the mask says so, the target is the bright still, moved.
    original = read_image(shoot / record["still"])
    dx, dy = record["shift"]
    grid = np.float32([[1, 0, dx], [0, 1, dy]])
    moved = cv2.warpAffine(original, grid, (320, 180), flags=cv2.INTER_LANCZOS4)
    assert np.abs(high.astype(int) - moved)[mask == 255].mean() < 2


def test_stills_that_share_a_frame_follow_the_pan(monkeypatch, tmp_path):
  found = Matches((1, 1, 0), reverse=True)
  monkeypatch.setattr(turntable.match, "monotone_path", lambda *given, **named: found)
  monkeypatch.setattr(turntable.nearest, "nearest", lambda *given, **named: found)
  nothing = np.zeros((2, 2), np.float32)
  stills = [turntable._Still(tmp_path / f"{at}.png", nothing, nothing, 1.0) for at in range(3)]
  pairs = turntable._matched(
    tmp_path / "dark.mp4", np.ones((3, 2)), stills, tmp_path, Settings(), SceneLog("lamp")
  )
  assert pairs == {1: [stills[1], stills[0]], 0: [stills[2]]}


def test_crops_cover_the_frame(shoot, tmp_path):
  records = _prepare(shoot, tmp_path / "out", size=128)
  assert [record["crop"] for record in records[:6]] == list(range(6))
  assert records[5]["box"] == [192, 52, 128, 128]
  assert records[5]["gt"] == "lamp/gt/0000_5.png"
  whole = list(read_frames(shoot / "lamp" / "dark.mp4"))[records[0]["frame"]].image
  low = read_image(tmp_path / "out" / "input" / "0000_5.png")
  np.testing.assert_array_equal(low, whole[52:, 192:])
  assert read_image(tmp_path / "out" / "mask" / "0000_5.png").shape == (128, 128, 3)


def test_blurred_and_foreign_stills_are_rejected(shoot, tmp_path):
  stills = shoot / "lamp" / "stills"
  blurred = cv2.GaussianBlur(read_image(stills / "0001.png"), (0, 0), 4)
  write_image(stills / "0001.png", blurred)
  noise = np.random.default_rng(0).integers(0, 256, (180, 320, 3), np.uint8)
  write_image(stills / "0003.png", noise)
  records = _prepare(shoot, tmp_path / "out", min_correlation=0.5)
  rejected = {record["file"]: record for record in records if record["status"] == "rejected"}
  assert sorted(rejected) == ["lamp/stills/0001.png", "lamp/stills/0003.png"]
  assert "blurred: sharpness" in rejected["lamp/stills/0001.png"]["reason"]
  assert "fits no frame: correlation" in rejected["lamp/stills/0003.png"]["reason"]
  assert sum(record["status"] == "kept" for record in records) == 4


def test_a_clip_that_is_too_dark(shoot, tmp_path):
  (record,) = _prepare(shoot, tmp_path / "out", min_mean=60)
  assert (record["status"], record["what"]) == ("rejected", "clip")
  assert record["reason"].startswith("too dark: mean grey ")
  assert record["file"] == "lamp/dark.mp4"


def test_a_pair_that_is_shifted_too_far(shoot, tmp_path):
  records = _prepare(shoot, tmp_path / "out", max_shift=0.004)
  rejected = [record for record in records if record["status"] == "rejected"]
  assert rejected
  for record in rejected:
    assert record["what"] == "pair"
    assert "is above 1.3 px (--max_shift)" in record["reason"]
    assert max(map(abs, record["shift"])) > 1.28
  numbers = [record["pair"] for record in records if record["status"] == "kept"]
  assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("shift", [(6.0, 1.0), (-6.0, 1.0), (1.0, 6.0), (1.0, -6.0)])
def test_too_far_is_to_either_side(shift):
  settings = Settings(mode="turntable")
  assert "is above 5.0 px" in turntable._fault(shift, 1.0, 5.0, settings)
  assert turntable._fault(shift, 1.0, 7.0, settings) == ""
  assert "after registration" in turntable._fault(shift, 0.0, 7.0, settings)


def test_unreadable_files(shoot, tmp_path):
  (shoot / "lamp" / "stills" / "0002.png").write_bytes(b"")
  with pytest.raises(UserError, match=r"0002\.png: expected an image, found an empty file"):
    _prepare(shoot, tmp_path / "out")
  records = _prepare(shoot, tmp_path / "skipped", on_error="skip")
  assert [record["status"] for record in records] == ["rejected", *["kept"] * 5]
  assert records[0]["what"] == "still"
  video = shoot / "lamp" / "dark.mp4"
  video.write_bytes(video.read_bytes()[:9000])
  with pytest.raises(UserError, match=r"dark\.mp4: "):
    _prepare(shoot, tmp_path / "third")
  records = _prepare(shoot, tmp_path / "fourth", on_error="skip")
  assert [record["what"] for record in records] == ["clip"]


def test_the_bar_also_where_the_released_matching_fails(tmp_path):
  """At least 95 % on the nearest frame and 0.25 px, on a noisy wall of repeated tiles."""
  pan = bench.Pan(
    "bigbuckbunny.mp4", 1.0, mean=22.0, noise=2.5e-3, frames=40, stills=14, repeat=64, step=8.0
  )
  folder = tmp_path / "shoot" / "wall"
  folder.mkdir(parents=True)
  truth = bench.make_scene(pan, folder, 320, 180, seed=5)
  scores = {
    how: bench.score(_prepare(tmp_path / "shoot", tmp_path / how, match=how, crops="none"), truth)
    for how in ("path", "argmax")
  }
  path, argmax = scores["path"], scores["argmax"]
  assert path.right / path.stills >= 0.95
  assert path.error <= 0.25
  assert argmax.right < path.right - 2
  assert path.kept == 14
