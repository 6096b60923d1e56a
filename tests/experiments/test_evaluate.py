"""`experiments.evaluate`: folders and networks beside classic methods, its files and flags."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from experiments import evaluate
from experiments.run import pictures
from llve_jax.errors import UserError
from llve_jax.io.video import read_frames, read_info
from llve_jax.methods.classic import CLASSIC, SLOW
from tests.experiments.evaluated import make_clips, write_images

ROOT = Path(__file__).parents[2]
QUICK = [name for name in CLASSIC if name not in SLOW]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
  return subprocess.run(
    [sys.executable, "-m", "experiments.evaluate", *arguments],
    cwd=ROOT,
    env={**os.environ, "XLA_FLAGS": ""},
    capture_output=True,
    text=True,
    timeout=300,
  )


def test_two_folders_from_the_command_line(tmp_path):
  names = ["a", "b", "c"]
  pred = write_images(tmp_path / "pred", names, 0)
  target = write_images(tmp_path / "target", names, 1)
  folders = [f"--pred={tmp_path / 'pred'}", f"--target={tmp_path / 'target'}"]
  done = command(*folders, f"--json={tmp_path / 'm.json'}", f"--csv={tmp_path / 'f.csv'}")
  assert done.returncode == 0, done.stderr
  psnr = tf.image.psnr(np.stack(pred), np.stack(target), 255).numpy()
  ssim = tf.image.ssim(tf.stack(pred), tf.stack(target), 255).numpy()
  content = json.loads((tmp_path / "m.json").read_text())
  assert content["psnr"] == pytest.approx(psnr.mean(), abs=1e-4)
  assert content["ssim"] == pytest.approx(ssim.mean(), abs=1e-5)
  assert content["protocol"] == "plain"
  last = json.loads(done.stdout.splitlines()[-1])
  assert last == {key: content[key] for key in ("psnr", "ssim", "protocol")}
  assert f"{psnr.mean():.2f}" in done.stdout
  with open(tmp_path / "f.csv", newline="") as file:
    rows = list(csv.DictReader(file))
  assert [row["frame"] for row in rows] == names
  np.testing.assert_allclose([float(row["psnr"]) for row in rows], psnr, atol=1e-4)


def test_folders_that_do_not_match_exit_with_2_and_write_nothing(tmp_path):
  write_images(tmp_path / "pred", ["a"], 0)
  write_images(tmp_path / "target", ["a", "b"], 1)
  folders = [f"--pred={tmp_path / 'pred'}", f"--target={tmp_path / 'target'}"]
  done = command(*folders, f"--json={tmp_path / 'm.json'}")
  assert done.returncode == 2
  assert done.stderr.count("error:") == 1
  assert "Traceback" not in done.stderr
  assert f"only in {tmp_path / 'target'}: b" in done.stderr
  assert done.stdout == ""
  assert sorted(path.name for path in tmp_path.iterdir()) == ["pred", "target"]


def test_a_network_is_scored_beside_every_classic_baseline(workdir, opened, run_main, capsys):
  out = workdir.parent / "results"
  run_main(model=str(workdir), json=str(workdir.parent / "m.json"), out=str(out))
  assert opened == [("dark_clips", "test", None, "/trained/on")]
  printed = capsys.readouterr()
  content = json.loads((workdir.parent / "m.json").read_text())
  assert list(content["methods"]) == [*QUICK, "stub_net"]
  assert content["methods"]["stub_net"]["psnr"] == content["psnr"]
  expected = [
    tf.image.psnr(np.minimum(clip.low.astype(int) * 4, 255).astype(np.uint8), clip.high, 255)
    for clip in make_clips()
  ]
  assert content["psnr"] == pytest.approx(np.mean([np.mean(each) for each in expected]), abs=1e-3)
  assert content["about"]["weights"] == {"config": "stub", "step": 7}
  assert content["about"]["seed"] == 3

  last = json.loads(printed.out.splitlines()[-1])
  best = max(content["methods"][name]["psnr"] for name in QUICK)
  assert last["psnr"] == content["psnr"]
  assert last["margin"] == pytest.approx(content["psnr"] - best)
  assert content["methods"][last["best_classic"]]["psnr"] == best
  assert "scoring bikes_1, 6 frames" in printed.err

  assert (out / "table.txt").read_text() in printed.out
  assert json.loads((out / "metrics.json").read_text()) == content
  assert len((out / "frames.csv").read_text().splitlines()) == 1 + (5 + 6) * (len(QUICK) + 1)
  assert sorted(path.name for path in out.iterdir()) == [
    "bikes_0_dark.mp4",
    "bikes_1_dark.mp4",
    "brightness.json",
    "frames.csv",
    "metrics.json",
    "strip.png",
    "strips",
    "table.txt",
  ]


def test_pictures_show_input_baseline_network_and_target(workdir, opened, run_main):
  out = workdir.parent / "results"
  run_main(model=str(workdir), out=str(out))
  strip = cv2.imread(str(out / "strip.png"))[..., ::-1].astype(float)
  rows, columns = pictures.STRIP_ROWS, 4
  gap = (strip.shape[1] - columns * 48) // (columns - 1)
  top = strip.shape[0] - rows * (32 + gap) + gap
  cells = [
    [strip[top + r * (32 + gap) :][:32, c * (48 + gap) :][:, :48] for c in range(columns)]
    for r in range(rows)
  ]
  for dark, _, network, target in cells:
    assert any(np.array_equal(dark, frame) for clip in make_clips() for frame in clip.low)
    np.testing.assert_array_equal(network, dark * 4)
    assert np.abs(target - network).max() <= 3  # what was lost in low = high // 4
  assert len({target.tobytes() for *_, target in cells}) > 1

  for clip in make_clips():
    path = out / f"bikes_{clip.variant}_dark.mp4"
    frames = np.stack([frame.image for frame in read_frames(path)])
    assert read_info(path).average_rate == 12
    assert frames.shape == clip.low.shape
    assert np.abs(frames.astype(float) - clip.low).mean() < 6


def test_only_the_baselines_that_are_named_are_scored(workdir, opened, run_main, capsys):
  out = workdir.parent / "results"
  run_main(model=str(workdir), classic="clahe", out=str(out))
  assert list(json.loads((out / "metrics.json").read_text())["methods"]) == ["clahe", "stub_net"]
  assert json.loads(capsys.readouterr().out.splitlines()[-1])["best_classic"] == "clahe"

  run_main(model=str(workdir), classic="", out=str(out))
  assert list(json.loads((out / "metrics.json").read_text())["methods"]) == ["stub_net"]
  assert "margin" not in json.loads(capsys.readouterr().out.splitlines()[-1])
  assert cv2.imread(str(out / "strip.png")).shape[1] < 4 * 48  # input, network, target

  with pytest.raises(UserError, match="no baseline is called magic; known: all, input, auto_gain"):
    run_main(model=str(workdir), classic="clahe,magic")


def test_several_protocols_with_lpips_and_temporal_metrics(
  workdir, opened, run_main, capsys, monkeypatch
):
  # The network behind LPIPS takes long to compile, and tests/metrics knows it.
  monkeypatch.setattr(
    evaluate, "lpips", lambda pred, target: jnp.abs(pred - target).mean((1, 2, 3))
  )
  names = "plain_float,first30,gt_mean_cidnet"
  json_file = workdir.parent / "m.json"
  run_main(model=str(workdir), protocol=names, json=str(json_file), temporal=True, lpips=True)
  printed = capsys.readouterr().out
  content = json.loads(json_file.read_text())
  assert content["protocol"] == "plain_float"
  assert list(content["protocols"]) == names.split(",")
  for name in names.split(","):
    assert f"(protocol: {name})" in printed
    scores = content["protocols"][name]
    assert {"psnr", "ssim", "lpips_alex", "mabd", "mse_mabd", "flicker", "warp_err"} <= set(scores)
    assert scores["methods"]["stub_net"]["flicker"] < scores["methods"]["input"]["flicker"]
  methods = content["methods"]
  assert methods["stub_net"]["lpips_alex"] < methods["input"]["lpips_alex"]
  last = json.loads(printed.splitlines()[-1])
  assert last["psnr"] == content["psnr"]
  assert last["protocols"]["first30"]["psnr"] == content["protocols"]["first30"]["psnr"]


def test_the_frechet_distance_is_told_beside_the_table(
  workdir, opened, run_main, capsys, monkeypatch
):
  # The network behind it takes long to compile, and tests/experiments/run knows it.
  monkeypatch.setattr(
    evaluate.frechet, "vgg16_means", lambda frames: np.asarray(frames, float).mean((1, 2))
  )
  json_file = workdir.parent / "m.json"
  run_main(model=str(workdir), classic="input", json=str(json_file), frechet=True)
  found = json.loads(json_file.read_text())["about"]["fid_vgg16"]
  assert found["stub_net"] < found["input"]
  assert f"fid_vgg16 input: {found['input']:.2f}" in capsys.readouterr().out


def test_folders_take_the_same_flags(tmp_path, run_main, monkeypatch):
  monkeypatch.setattr(evaluate, "enable_cache", lambda: None)
  for folder, seed in (("pred", 0), ("target", 1)):
    (tmp_path / folder).mkdir()
    write_images(tmp_path / folder / "clip", ["1", "2"], seed)
  files = {"pred": str(tmp_path / "pred"), "target": str(tmp_path / "target")}
  json_file = tmp_path / "m.json"
  told = {"csv": str(tmp_path / "f.csv"), "json": str(json_file)}
  run_main(**files, protocol="plain,plain_skimage", temporal=True, static=True, **told)
  assert {"flicker", "mse_mabd_usc", "tpsnr", "tssim", "tmae"} <= set(
    json.loads(json_file.read_text())
  )
  with open(tmp_path / "f.csv", newline="") as file:
    rows = list(csv.DictReader(file))
  assert "lpips_alex" not in rows[0]
  assert [row["protocol"] for row in rows] == ["plain"] * 2 + ["plain_skimage"] * 2
  assert rows[0]["psnr"] == rows[2]["psnr"]
  assert rows[0]["ssim"] != rows[2]["ssim"]
  with pytest.raises(UserError, match="'nothing'"):
    run_main(**files, protocol="plain,nothing")


def test_data_dir_split_and_config_take_precedence(workdir, opened, run_main):
  (workdir / "config.json").unlink()
  with pytest.raises(UserError, match=r"config\.json: not found.*--config=FILE"):
    run_main(model=str(workdir))
  config = {"data": {"name": "other", "config": "tiny", "dir": ""}}
  run_main(model=str(workdir), config=config, split="train", data_dir="/elsewhere")
  config["test_data"] = {"name": "pairs"}
  run_main(model=str(workdir), config=config)
  assert opened == [("other", "train", "tiny", "/elsewhere"), ("pairs", "test", None, None)]


def test_bad_flags_are_refused_before_any_work(tmp_path, run_main):
  for given in ({}, {"pred": "a"}, {"target": "a"}, {"pred": "a", "target": "b", "model": "c"}):
    with pytest.raises(UserError, match="give either"):
      run_main(**given)
  with pytest.raises(UserError, match="--out needs --model"):
    run_main(pred="a", target="b", out="c")
  with pytest.raises(UserError, match=r"no/m\.json: the folder .*no does not exist"):
    run_main(pred="a", target="b", json=str(tmp_path / "no" / "m.json"))
  with pytest.raises(UserError, match="several different things"):
    run_main(pred="a", target="b", protocol="gt_mean")
  (tmp_path / "file").write_text("")
  with pytest.raises(UserError, match="expected a folder, found a file"):
    run_main(model="a", out=str(tmp_path / "file"))
  with pytest.raises(UserError, match="unexpected argument 'dir'"):
    evaluate.main(["evaluate", "dir"])


def test_a_folder_without_a_network_is_named(tmp_path, run_main):
  with pytest.raises(UserError, match=r"nothing"):
    run_main(model=str(tmp_path / "nothing"))
