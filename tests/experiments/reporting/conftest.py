"""Run folders as training, evaluation and a sweep leave them, with made-up figures."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from experiments import sweep
from experiments.reporting import tables

CLIPS = ("carphone_0", "carphone_1")
FRAMES = 24
PROTOCOL = {"protocol": "plain", "protocol_description": "8-bit sRGB as saved"}


def write_json(path: Path, content: object) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(json.dumps(content))


def scores(psnr: float, ssim: float, flicker: float) -> dict[str, object]:
  means = {"psnr": psnr, "ssim": ssim, "flicker": flicker, "warp_err": 1e-3, "mse_mabd": 0.25}
  return {**means, "identical_frames": 0, "clips": dict.fromkeys(CLIPS, means)}


def write_run(
  folder: Path,
  *,
  seed: int = 0,
  psnr: float = 20.0,
  flicker: float = 0.5,
  steps: int = 320,
  method: str = "turntable_unet",
  scored: bool = True,
) -> Path:
  """A run that is done, or that stands at half of its steps."""
  random = np.random.default_rng(seed)
  write_json(folder / "config.json", {"name": "made_up", "seed": seed, "train": {"steps": steps}})
  ends = np.linspace(0, steps if scored else steps // 2, 9 if scored else 5).astype(int)[1:]
  history = [
    {
      "step": int(step),
      "psnr": psnr - 8 * float(np.exp(-4 * step / steps)) + 0.2 * float(random.normal()),
      "ssim": 0.7 - 0.4 * float(np.exp(-4 * step / steps)),
    }
    for step in ends
  ]
  write_json(folder / "history.json", history)
  (folder / "checkpoints").mkdir()
  if not scored:
    return folder
  (folder / "best.safetensors").write_bytes(b"weights")
  write_json(folder / "timing.json", {"train_seconds": 100.0 + seed, "attempts": 1})
  methods = {
    "input": scores(8.0, 0.2, 0.01),
    "gamma": scores(15.0, 0.4, 1.0),
    method: scores(psnr, 0.6 + psnr / 100, flicker),
  }
  about = {"data": "dark_clips", "data_config": "holdout", "split": "test", "device": "cpu"}
  report = {**scores(psnr, 0.7, flicker), **PROTOCOL, "method": method}
  report |= {"frames": FRAMES * len(CLIPS), "methods": methods, "about": about}
  write_json(folder / "evaluation" / "metrics.json", report)
  time = np.arange(FRAMES)
  target = 0.5 + 0.05 * np.sin(time / 9)
  brightness = {
    "target": {clip: target.tolist() for clip in CLIPS},
    method: {clip: (target + 0.01 * random.normal(size=FRAMES)).tolist() for clip in CLIPS},
  }
  write_json(folder / "evaluation" / "brightness.json", brightness)
  (folder / "evaluation" / "strips").mkdir()
  for clip in CLIPS:
    picture = random.integers(0, 255, (12, 40, 3)).astype(np.uint8)
    picture = cv2.resize(picture, (1440, 400), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(folder / "evaluation" / "strips" / f"{clip}.png"), picture)
  return folder


@pytest.fixture(name="write_run")
def write_run_fixture() -> Callable[..., Path]:
  return write_run


def make_sweep(workdir: Path) -> Path:
  """The generator ablation and the critics with two seeds.

  PSNR by row: plain 18 and 18.2, resnext 21 and 21.2, bilinear 20.8 and 21.2, both 22 (one run);
  wgan is at half of its steps, wgan_gp was not started.
  """
  chosen = tables.get("turntable_ablation,critic")
  jobs = sweep.plan(chosen, workdir, seeds=2, size="cpu", settings=["--config.train.steps=320"])
  base = {"plain": 18.0, "resnext": 21.0, "bilinear": 20.8, "both": 22.0}
  step = {"plain": 0.2, "resnext": 0.2, "bilinear": 0.4, "both": 0.0}
  for job in jobs:
    variants = job.config.split(":")[1].split(",")
    if "no_critic" in variants and not ("both" in variants and job.seed == 1):
      psnr = base[variants[1]] + job.seed * step[variants[1]]  # after "published"
      write_run(job.folder, seed=job.seed, psnr=psnr)
    elif "wgan" in variants:
      write_run(job.folder, seed=job.seed, scored=False)
  return workdir


@pytest.fixture(scope="session")
def sweep_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
  return make_sweep(tmp_path_factory.mktemp("sweep"))
