"""The page of evidence, on a few small pictures and a clip."""

from types import SimpleNamespace

import numpy as np
import pytest

from experiments.reporting import shipped
from llve_jax.data.clips import EvalClip
from llve_jax.errors import UserError
from llve_jax.io.images import read_image, write_image
from llve_jax.io.video import write_video
from llve_jax.methods.classic import Classic
from llve_jax.metrics import protocols
from llve_jax.metrics.harm import burnt

METHODS = [Classic("input"), Classic("gamma")]
OF = {"input": "v1", "gamma": "v1"}


@pytest.fixture
def folder(tmp_path):
  random = np.random.default_rng(0)
  for name in ("a", "b"):
    high = random.integers(0, 256, (64, 72, 3)).astype(np.uint8)
    for part, picture in (("low", high // 6), ("high", high)):
      (tmp_path / "pairs" / part).mkdir(parents=True, exist_ok=True)
      write_image(tmp_path / "pairs" / part / f"{name}.png", picture)
  (tmp_path / "night").mkdir()
  frames = random.integers(0, 40, (5, 64, 72, 3)).astype(np.uint8)
  frames[:, 20:30, 20:30] = 255
  write_video(tmp_path / "night" / "lamp.mp4", frames, 25)
  return tmp_path


def test_pairs_are_scored_as_evaluate_does(folder):
  table = {
    method.name: shipped.on_pairs(method, shipped.pairs(folder / "pairs")) for method in METHODS
  }
  plain = protocols.get("plain")
  expected = []
  for name in ("a.png", "b.png"):
    low, high = (read_image(folder / "pairs" / part / name)[None] for part in ("low", "high"))
    expected.append(float(protocols.score_frames(plain, low, high)["psnr"][0]))
  assert table["input"]["PSNR"] == pytest.approx(np.mean(expected), abs=1e-4)
  assert table["gamma"]["PSNR"] > table["input"]["PSNR"] + 1
  assert table["input"]["PSNR, GT-mean"] > table["input"]["PSNR"]
  assert table["gamma"].keys() == table["input"].keys()


def _evidence(folder, nights):
  return shipped.Evidence(
    {"made up": lambda: shipped.pairs(folder / "pairs"), "moving": lambda: [_clip()]}, nights
  )


def _clip():
  high = np.random.default_rng(1).integers(0, 256, (3, 64, 72, 3)).astype(np.uint8)
  return EvalClip("moving", 0, 25.0, high // 4, high)


def test_the_page_tells_of_pairs_clips_and_nights(folder):
  frames = shipped.clips(folder / "night", 4)["lamp"]
  said = []
  page = shipped.write(METHODS, folder, _evidence(folder, {"lamp": frames}), of=OF, say=said.append)
  assert said == ["input: scored", "gamma: scored"]
  text = page.read_text()
  assert "## made up" in text
  assert "## lamp, 4 frames, no target" in text
  assert "| flicker | warping error |" in text[text.index("## moving") :]
  assert text.count("| gamma |") == 3
  assert read_image(folder / "lamp.png").shape[1] >= 5 * 72
  (plain, middle), (gamma, _) = (shipped.on_night(method, frames) for method in METHODS)
  assert plain["burnt_after"] == pytest.approx(burnt(frames))
  assert plain["dark_ratio"] == 1
  np.testing.assert_array_equal(middle, frames[2])
  assert gamma["dark_ratio"] > 1.8


def test_rows_outlive_a_stop(folder):
  class Stopped(Classic):
    def stream(self, frames, **further):
      raise KeyboardInterrupt

  evidence = _evidence(folder, shipped.clips(folder / "night", 4))
  with pytest.raises(KeyboardInterrupt):
    shipped.write([Classic("input"), Stopped("gamma")], folder, evidence, of=OF)
  assert not (folder / "SHIPPED.md").exists()
  kept = (folder / "rows" / "input.json").stat().st_mtime_ns
  shipped.write(METHODS, folder, evidence, of=OF)
  assert (folder / "rows" / "input.json").stat().st_mtime_ns == kept
  with pytest.raises(KeyboardInterrupt):  # other weights: scored again
    shipped.write([Stopped("gamma")], folder, evidence, of=OF | {"gamma": "other"})


def test_speed_counts_frames():
  assert shipped.speed(Classic("input"), 8, 8, frames=4) > 100


def test_a_folder_without_videos_is_named(tmp_path):
  with pytest.raises(UserError, match="expected videos"):
    shipped.clips(tmp_path, 4)


def test_the_speed_is_the_median_of_the_runs_behind_the_first(monkeypatch):
  """The first one compiles."""
  ticks = iter([0.0, 100.0, 100.0, 101.0, 101.0, 103.0, 103.0, 107.0])
  monkeypatch.setattr(shipped, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
  assert shipped.speed(Classic("input"), 18, 32, frames=6) == pytest.approx(6 / 2)


def test_hidden_files_are_no_videos(tmp_path):
  write_video(tmp_path / "night.mp4", np.zeros((3, 16, 16, 3), np.uint8), 25)
  (tmp_path / "._night.mp4").write_bytes(b"what a Mac leaves beside it")
  found = shipped.clips(tmp_path, 2)
  assert {name: len(frames) for name, frames in found.items()} == {"night": 2}
