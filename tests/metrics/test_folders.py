from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.errors import UserError
from llve_jax.metrics import protocols
from llve_jax.metrics.folders import match_folders, score_folders
from llve_jax.metrics.perceptual import lpips
from llve_jax.metrics.whole_clip import clip_scores

PLAIN = protocols.get("plain")


def write(path: Path, seed: int, height: int = 20, width: int = 24) -> np.ndarray:
  """Writes a random RGB image, returns what a decoder sees (JPEG loses a little)."""
  path.parent.mkdir(parents=True, exist_ok=True)
  image = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
  assert cv2.imwrite(str(path), image[..., ::-1])
  return cv2.imread(str(path))[..., ::-1]


def test_images_match_by_path_without_suffix(tmp_path):
  for name in ("one.png", "b/2.v1.png", "a/1.JPG"):
    write(tmp_path / "pred" / name, 0)
  for name in ("one.webp", "b/2.v1.jpeg", "a/1.png"):
    write(tmp_path / "target" / name, 1)
  (tmp_path / "pred" / "metrics.json").write_text("{}")
  (tmp_path / "pred" / ".one.123.part.png").write_bytes(b"")
  (tmp_path / "target" / ".thumbnails").mkdir()
  write(tmp_path / "target" / ".thumbnails" / "x.png", 1)
  pairs = match_folders(tmp_path / "pred", tmp_path / "target")
  found = [
    (name, str(pred.relative_to(tmp_path)), str(target.relative_to(tmp_path)))
    for name, pred, target in pairs
  ]
  assert found == [
    ("a/1", "pred/a/1.JPG", "target/a/1.png"),
    ("b/2.v1", "pred/b/2.v1.png", "target/b/2.v1.jpeg"),
    ("one", "pred/one.png", "target/one.webp"),
  ]


def test_scores_equal_tensorflow_and_sub_folders_are_clips(tmp_path):
  psnr, ssim = {}, {}
  for seed, name in enumerate(("x/1", "x/2", "y/1")):
    pred = write(tmp_path / "pred" / f"{name}.jpg", seed, 20 + seed)
    target = write(tmp_path / "target" / f"{name}.png", 100 + seed, 20 + seed)
    psnr[name] = tf.image.psnr(pred, target, 255).numpy()
    ssim[name] = tf.image.ssim(tf.constant(pred), tf.constant(target), 255).numpy()
  report = score_folders(tmp_path / "pred", tmp_path / "target", PLAIN)
  content = report.to_json()
  assert content["psnr"] == pytest.approx(
    ((psnr["x/1"] + psnr["x/2"]) / 2 + psnr["y/1"]) / 2, abs=1e-4
  )
  assert content["ssim"] == pytest.approx(
    ((ssim["x/1"] + ssim["x/2"]) / 2 + ssim["y/1"]) / 2, abs=1e-5
  )
  assert content["protocol"] == "plain"
  assert content["frames"] == 3
  assert [(row.clip, row.frame) for row in report.rows] == [("x", "1"), ("x", "2"), ("y", "1")]


def test_images_directly_in_the_folder_count_equally(tmp_path):
  expected = []
  for seed in range(2):
    pred = write(tmp_path / "pred" / f"{seed}.png", seed)
    target = write(tmp_path / "target" / f"{seed}.png", 100 + seed)
    expected.append(tf.image.psnr(pred, target, 255).numpy())
  report = score_folders(tmp_path / "pred", tmp_path / "target", PLAIN)
  assert report.means("pred")["psnr"] == pytest.approx(np.mean(expected), abs=1e-4)
  assert set(report.clip_means("pred")) == {"."}


def test_names_that_do_not_match_are_listed_up_to_ten_a_side(tmp_path):
  write(tmp_path / "pred" / "same.png", 0)
  write(tmp_path / "target" / "same.png", 0)
  for index in range(13):
    (tmp_path / "pred" / f"extra{index:02}.png").write_bytes(b"x")
  write(tmp_path / "target" / "clip" / "other.png", 0)
  with pytest.raises(UserError, match="do not match by name") as caught:
    score_folders(tmp_path / "pred", tmp_path / "target", PLAIN)
  message = str(caught.value)
  assert "extra00, extra01" in message
  assert "extra09 and 3 more" in message
  assert "extra10" not in message
  assert f"only in {tmp_path / 'target'}: clip/other" in message
  assert "same" not in message
  (tmp_path / "target" / "clip" / "other.png").unlink()
  with pytest.raises(UserError, match=r"only in .*target: nothing"):
    match_folders(tmp_path / "pred", tmp_path / "target")


def test_bad_folders_are_refused(tmp_path):
  write(tmp_path / "full" / "1.png", 0)
  (tmp_path / "empty").mkdir()
  with pytest.raises(UserError, match=r"empty: holds no image"):
    match_folders(tmp_path / "full", tmp_path / "empty")
  with pytest.raises(UserError, match=r"missing: expected a folder"):
    match_folders(tmp_path / "missing", tmp_path / "full")
  with pytest.raises(UserError, match=r"1\.png: expected a folder"):
    match_folders(tmp_path / "full" / "1.png", tmp_path / "full")
  write(tmp_path / "full" / "1.jpg", 0)
  with pytest.raises(UserError, match="same name"):
    match_folders(tmp_path / "full", tmp_path / "full")


def test_bad_images_are_named(tmp_path):
  pred, target = tmp_path / "pred", tmp_path / "target"
  write(target / "1.png", 0)
  write(pred / "1.png", 1, 20, 25)
  with pytest.raises(UserError, match=r"pred/1\.png is 25x20 but .*target/1\.png is 24x20"):
    score_folders(pred, target, PLAIN)
  (pred / "1.png").write_bytes(b"")
  with pytest.raises(UserError, match=r"pred/1\.png"):
    score_folders(pred, target, PLAIN)
  (pred / "1.png").write_bytes(b"this is no image")
  with pytest.raises(UserError, match=r"pred/1\.png"):
    score_folders(pred, target, PLAIN)
  for folder in (pred, target):
    write(folder / "1.png", 0, 10, 24)
  with pytest.raises(UserError, match=r"pred/1\.png is 24x10; SSIM needs at least 11x11"):
    score_folders(pred, target, PLAIN)


def test_identical_images_have_infinite_psnr(tmp_path):
  for folder in ("pred", "target"):
    write(tmp_path / folder / "1.png", 0)
  content = score_folders(tmp_path / "pred", tmp_path / "target", PLAIN).to_json()
  assert content["psnr"] == "inf"
  assert content["ssim"] == pytest.approx(1.0, abs=1e-6)


def test_frames_are_counted_by_their_numbers(tmp_path):
  """Frame 10 comes after frame 2; frame5 is the fifth of them."""
  for seed in range(1, 12):
    write(tmp_path / "pred" / "clip" / f"frame{seed}.png", seed)
    write(tmp_path / "target" / "clip" / f"frame{seed}.png", 100 + seed)
  names = [row.frame for row in score_folders(tmp_path / "pred", tmp_path / "target", PLAIN).rows]
  assert names == [f"frame{index}" for index in range(1, 12)]
  report = score_folders(tmp_path / "pred", tmp_path / "target", protocols.get("frame5"))
  assert [row.frame for row in report.rows] == ["frame5"]
  for folder in ("pred", "target"):
    write(tmp_path / folder / "short" / "0.png", 0)
  with pytest.raises(UserError, match=r"clip short: protocol frame5 .*has 1 frame"):
    score_folders(tmp_path / "pred", tmp_path / "target", protocols.get("frame5"))


def test_temporal_metrics_see_the_whole_clip_whatever_the_protocol(tmp_path):
  pred = np.stack([write(tmp_path / "pred" / "a" / f"{i}.png", i) for i in range(6)])
  target = np.stack([write(tmp_path / "target" / "a" / f"{i}.png", 9 + i) for i in range(6)])
  protocol = protocols.get("frame5")
  report = score_folders(tmp_path / "pred", tmp_path / "target", protocol, temporal=True)
  expected = clip_scores(np.ascontiguousarray(pred), np.ascontiguousarray(target))
  assert report.clip_scores["pred", "a"] == expected
  assert report.to_json()["flicker"] == expected["flicker"]
  assert len(report.rows) == 1


def test_clips_without_a_time_axis_have_no_temporal_metrics(tmp_path):
  pred, target = tmp_path / "pred", tmp_path / "target"
  for folder in (pred, target):
    write(folder / "a" / "1.png", 0)
  with pytest.raises(UserError, match=r"clip a: .*two frames or more of one size, found 1 frame"):
    score_folders(pred, target, PLAIN, temporal=True)
  for folder in (pred, target):
    write(folder / "a" / "2.png", 0, 20, 30)
  with pytest.raises(UserError, match=r"2 frame\(s\) of 2 size\(s\)"):
    score_folders(pred, target, PLAIN, temporal=True)
  for folder in (pred, target):
    for name in ("1", "2"):
      write(folder / "a" / f"{name}.png", 0, 20, 11)
  with pytest.raises(UserError, match="clip a: optical flow needs 12 x 12"):
    score_folders(pred, target, PLAIN, temporal=True)


def test_what_a_metric_needs_counts_inside_the_border(tmp_path):
  pred, target = tmp_path / "pred", tmp_path / "target"
  for folder in (pred, target):
    write(folder / "1.png", 0, 26, 40)
  with pytest.raises(UserError, match="SSIM needs at least 27x27 under protocol plain_crop8"):
    score_folders(pred, target, protocols.get("plain_crop8"))
  with pytest.raises(UserError, match="LPIPS_ALEX needs at least 31x31"):
    score_folders(pred, target, PLAIN.with_metrics(lpips_alex=lpips))
