import csv
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import cv2
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from experiments import evaluate
from experiments.run import pictures
from llve_jax.data import clips as data_clips
from llve_jax.data import source as data_source
from llve_jax.errors import UserError
from llve_jax.io.video import read_frames, read_info
from llve_jax.methods.classic import CLASSIC, SLOW
from llve_jax.models.contract import Traits
from llve_jax.ops.color import linear_to_srgb
from tests.methods.networks import of_function

ROOT = Path(__file__).parents[2]
QUICK = [name for name in CLASSIC if name not in SLOW]


def write_images(folder: Path, names: list[str], seed: int) -> list[np.ndarray]:
  folder.mkdir()
  random = np.random.default_rng(seed)
  images = random.integers(0, 256, (len(names), 24, 32, 3)).astype(np.uint8)
  for name, image in zip(names, images, strict=True):
    cv2.imwrite(str(folder / f"{name}.png"), image[..., ::-1])
  return list(images)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
  return subprocess.run(
    [sys.executable, "-m", "experiments.evaluate", *arguments],
    cwd=ROOT,
    env={**os.environ, "XLA_FLAGS": ""},
    capture_output=True,
    text=True,
    timeout=300,
  )


def flag_values(**given: object) -> types.SimpleNamespace:
  names = ("pred", "target", "model", "config", "data_dir", "split", "niqe")
  values = {**dict.fromkeys((*names, "json", "csv", "out")), "protocol": "plain"}
  values |= {"static": False}
  values |= {"temporal": False, "lpips": False, "frechet": False, "classic": "all", **given}
  return types.SimpleNamespace(**values)


@pytest.fixture
def run_main(monkeypatch):
  """Calls main with flags; absl's own are global, so the parsing itself runs in a subprocess."""

  def run(**given: object) -> None:
    monkeypatch.setattr(evaluate.flags, "FLAGS", flag_values(**given))
    evaluate.main(["evaluate"])

  return run


def stub_net():
  """A trained network that happens to know how dark the clips are."""
  network, _ = of_function(lambda clip: clip * 4.0)
  network.name, network.origin = "stub_net", {"config": "stub", "step": 7}
  return network


def make_clips() -> list[data_clips.EvalClip]:
  clips = []
  for variant in range(2):
    rows, columns = np.mgrid[0:32, 0:48]
    moving = [
      np.stack([100 + 50 * np.sin((rows + t) / 5 + k) * np.cos(columns / 7) for k in range(3)], -1)
      for t in range(5 + variant)
    ]
    high = np.stack(moving).astype(np.uint8)
    clips.append(data_clips.EvalClip("bikes", variant, 12.0, high // 4, high))
  return clips


@pytest.fixture
def opened(monkeypatch) -> list[tuple[str | None, ...]]:
  """Puts stand-ins for network and data set in place; lists what was asked of the latter."""
  asked = []

  def open_split(name, split, *, config, data_dir):
    asked.append((name, split, config, data_dir))
    return [{"high": [] if name == "unpaired" else [b"png"]}]

  def test_clips(source, kind, *, keep_negatives, resize, targets):
    assert kind == "srgb"
    assert keep_negatives
    assert resize == ()
    assert targets == (source[0]["high"] != [])
    return iter(make_clips())

  monkeypatch.setattr(evaluate.methods, "load", lambda model: stub_net())
  monkeypatch.setattr(data_source, "open_split", open_split)
  monkeypatch.setattr(data_clips, "test_clips", test_clips)
  monkeypatch.setattr(evaluate, "enable_cache", lambda: None)
  return asked


@pytest.fixture
def workdir(tmp_path) -> Path:
  folder = tmp_path / "run"
  folder.mkdir()
  config = {"seed": 3, "data": {"name": "dark_clips", "config": "", "dir": "/trained/on"}}
  (folder / "config.json").write_text(json.dumps(config))
  return folder


@pytest.fixture(scope="module")
def raw_folder(tmp_path_factory) -> Path:
  """A folder with a small raw data set."""
  from tfds_builders.dark_clips import dark_clips_dataset_builder as module

  folder = tmp_path_factory.mktemp("raw")
  config = module.DarkClipsConfig(name="tiny_raw", raw=True, max_height=48, max_frames=5, segment=3)
  module.Builder(data_dir=folder, config=config).download_and_prepare()
  return folder


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


def test_data_without_targets_are_refused(workdir, opened, run_main):
  config = {"data": {"name": "unpaired"}}
  with pytest.raises(UserError, match=r"unpaired, split low: has no bright.*test_data\.name=NAME"):
    run_main(model=str(workdir), config=config, split="low")


def test_data_without_targets_are_scored_by_what_asks_for_none(
  workdir, opened, run_main, capsys, monkeypatch
):
  monkeypatch.setattr(evaluate.naturalness, "LEAST_SIDE", 32)
  monkeypatch.setattr(evaluate.naturalness, "open_model", lambda model, clips: model)
  monkeypatch.setattr(evaluate.naturalness, "niqe", lambda image, model: image.mean())
  config = {"data": {"name": "unpaired"}}
  out = workdir.parent / "results"
  told = {"config": config, "split": "low", "protocol": "no_targets", "niqe": "file.npz"}
  run_main(model=str(workdir), **told, out=str(out), static=True)
  content = json.loads((out / "metrics.json").read_text())
  assert {"brightness", "niqe", "tpsnr"} <= set(content)
  assert "psnr" not in content
  methods = content["methods"]
  assert methods["stub_net"]["brightness"] == pytest.approx(4 * methods["input"]["brightness"])
  assert "margin" not in json.loads(capsys.readouterr().out.splitlines()[-1])
  assert sorted(path.name for path in out.iterdir()) == ["frames.csv", "metrics.json", "table.txt"]
  for flag in ("temporal", "frechet"):
    with pytest.raises(UserError, match="compare with targets, which protocol no_targets"):
      run_main(model=str(workdir), **told, **{flag: True})


def test_a_folder_alone_is_scored_by_what_asks_for_no_target(tmp_path, run_main, monkeypatch):
  monkeypatch.setattr(evaluate, "enable_cache", lambda: None)
  images = write_images(tmp_path / "pred", ["1", "2"], 0)
  told = {"pred": str(tmp_path / "pred"), "json": str(tmp_path / "m.json")}
  run_main(**told, protocol="no_targets")
  weights = [0.2126, 0.7152, 0.0722]
  expected = np.mean([image @ weights for image in images])
  found = json.loads((tmp_path / "m.json").read_text())["brightness"]
  assert found == pytest.approx(expected, rel=1e-4)
  with pytest.raises(UserError, match="compare with targets"):
    run_main(**told, protocol="no_targets", frechet=True)
  with pytest.raises(UserError, match="give either --pred"):
    run_main(**told)


def test_niqe_of_small_frames_is_left_out_and_of_large_ones_is_a_column(
  workdir, opened, run_main, capsys, monkeypatch
):
  json_file = workdir.parent / "m.json"
  run_main(model=str(workdir), json=str(json_file), niqe="targets")
  assert "--niqe: left out" in capsys.readouterr().err
  monkeypatch.setattr(evaluate.naturalness, "LEAST_SIDE", 32)
  monkeypatch.setattr(evaluate.naturalness, "open_model", lambda model, clips: model)
  # Here the mean of the frame, for the features of NIQE need blocks of 96 pixels.
  monkeypatch.setattr(evaluate.naturalness, "niqe", lambda image, model: image.mean())
  run_main(model=str(workdir), json=str(json_file), niqe="targets")
  content = json.loads(json_file.read_text())
  assert content["about"]["niqe_model"] == "targets"
  expected = np.mean([np.mean(4 * (clip.high // 4)) for clip in make_clips()])
  assert content["niqe"] == pytest.approx(expected, rel=1e-4)


def raw_net():
  """Takes binned light, and happens to know the curve of sRGB."""
  traits = Traits(stride=1, receptive_field=1, input_kind="raw_rgb", streaming=True)

  def step(clip, carry):
    frames = jnp.int32(clip.shape[1])
    return linear_to_srgb(clip), frames if carry is None else carry + frames

  network, _ = of_function(step, traits)
  network.name = "raw_net"
  return network


def test_raw_data_have_rows_of_their_own(tmp_path, raw_folder, monkeypatch, workdir, run_main):
  monkeypatch.setattr(evaluate.methods, "load", lambda model: raw_net())
  monkeypatch.setattr(evaluate, "enable_cache", lambda: None)
  config = {"data": {"name": "dark_clips", "config": "tiny_raw", "dir": str(raw_folder)}}
  run_main(model=str(workdir), config=config, out=str(tmp_path / "out"), temporal=True)
  content = json.loads((tmp_path / "out" / "metrics.json").read_text())
  assert list(content["methods"]) == ["ratio_scale", "auto_gain", "raw_net"]
  assert content["about"]["kind"] == "raw_rgb"
  # The network does just what the picture of the light does.
  for name in ("psnr", "flicker"):
    assert content[name] == pytest.approx(content["methods"]["ratio_scale"][name], rel=1e-3)
  told = json.loads((tmp_path / "out" / "brightness.json").read_text())
  assert set(told) == {"ratio_scale", "auto_gain", "raw_net", "target"}
  assert [path.name for path in sorted((tmp_path / "out" / "strips").iterdir())] == [
    f"carphone_{k}.png" for k in range(3)
  ]


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
