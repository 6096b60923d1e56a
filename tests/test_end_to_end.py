"""The main job as a user types it, at the smallest size: train, stop, resume, evaluate, use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from experiments import train
from experiments.configs import turntable_gan
from experiments.run import scored
from llve_jax import methods
from llve_jax.enhance import command
from llve_jax.errors import UserError
from llve_jax.io.checkpoint import Checkpoints
from llve_jax.io.images import read_image
from llve_jax.io.video import read_frames, read_info
from llve_jax.train import loop
from llve_jax.zoo import trained

pytestmark = pytest.mark.usefixtures("standard_promotion", "shared_programs")

ROOT = Path(__file__).parents[1]


def tiny_config(data_dir: Path, steps: int = 20, variants: str = "smoke") -> ConfigDict:
  config = turntable_gan.get_config(variants)
  for network in (config.model, *config.critics.values()):
    network.kwargs.widths = (4,)
  config.model.kwargs.resnext = False
  config.data.dir = str(data_dir)
  config.data.config = "tiny"
  config.data.batch = 4
  config.data.crop = 16
  config.mesh.data = 2
  config.train.steps = steps
  config.train.save_every = 0
  config.eval.every = 0
  config.eval.max_frames = 0
  for phase in config.phases.values():
    phase.loss.update({name: 0.0 for name in phase.loss if "vgg16" in name})
  return config


def without_critic(data_dir: Path, steps: int = 20) -> ConfigDict:
  """One phase that compiles quickly, for what happens between steps."""
  return tiny_config(data_dir, steps, "smoke,no_critic,no_finetune")


def saved_arrays(workdir: Path, step: int) -> dict[str, np.ndarray]:
  """All arrays of a checkpoint, read with orbax alone."""
  import orbax.checkpoint as ocp

  restored = ocp.StandardCheckpointer().restore(workdir.absolute() / f"checkpoints/{step}/state")
  return {name: np.asarray(value) for name, value in restored.items()}


@pytest.fixture(scope="module")
def workdir(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
  """A run of 20 steps without a stop; 12 of them in the GAN phase."""
  folder = tmp_path_factory.mktemp("run")
  metrics = train.train(tiny_config(data_dir), folder)
  assert metrics["step"] == 20
  assert metrics["protocol"] == "plain"
  assert np.isfinite(metrics["psnr"])
  return folder


def test_stopping_and_resuming_changes_no_bit(
  workdir: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  whole = loop.run

  def stop_at_ten(*args: object, stop: int, **kwargs: object) -> object:
    return whole(*args, stop=10, **kwargs)

  with monkeypatch.context() as patch:
    patch.setattr(loop, "run", stop_at_ten)
    train.train(tiny_config(data_dir), tmp_path)
  assert not (tmp_path / "checkpoints" / "20").exists()
  assert train.train(tiny_config(data_dir), tmp_path)["step"] == 20

  expected, found = saved_arrays(workdir, 20), saved_arrays(tmp_path, 20)
  assert expected.keys() == found.keys()
  assert any(name.startswith("critics.critic.optimizer") for name in expected)
  different = [name for name in expected if not np.array_equal(expected[name], found[name])]
  assert different == []


def test_two_runs_of_one_seed_have_equal_bits(
  workdir: Path, data_dir: Path, tmp_path: Path
) -> None:
  train.train(tiny_config(data_dir), tmp_path)
  expected, found = saved_arrays(workdir, 20), saved_arrays(tmp_path, 20)
  assert [name for name in expected if not np.array_equal(expected[name], found[name])] == []
  other = tiny_config(data_dir)
  other.seed = 1
  train.train(other, tmp_path / "other")
  third = saved_arrays(tmp_path / "other", 20)
  assert any(not np.array_equal(expected[name], third[name]) for name in expected)


def test_a_run_may_start_from_another_ones_weights(
  workdir: Path, data_dir: Path, tmp_path: Path
) -> None:
  """With a rate of 0 they stay what they were."""
  config = tiny_config(data_dir, steps=1)
  config.optimizer.rate = 0.0
  config.train.init_from = str(workdir)
  train.train(config, tmp_path)
  found = trained.load(tmp_path).variables["params"]
  expected = trained.load(workdir).variables["params"]
  # Rounding of the average: decay * x + (1 - decay) * x.
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found, expected)


def test_weights_to_start_from_that_are_missing_are_named(data_dir: Path, tmp_path: Path) -> None:
  config = tiny_config(data_dir)
  config.train.init_from = str(tmp_path / "phase_one")
  with pytest.raises(UserError, match=r"phase_one: not found; train\.init_from"):
    train.train(config, tmp_path / "run")
  assert not (tmp_path / "run" / "config.json").exists()


def test_a_run_that_gets_no_better_stops_early_and_stays_stopped(
  data_dir: Path, tmp_path: Path
) -> None:
  config = without_critic(data_dir)
  config.optimizer.rate = 0.0  # so the first evaluation stays the best
  config.train.average_decay = 1.0
  config.train.stop_after = 2
  config.eval.every = 3
  metrics = train.train(config, tmp_path)
  assert (metrics["step"], metrics["best"]["step"]) == (9, 3)
  assert Checkpoints(tmp_path / "checkpoints").latest == 9
  assert train.train(config, tmp_path)["step"] == 9
  history = json.loads((tmp_path / "history.json").read_text())
  assert [entry["step"] for entry in history] == [3, 6, 9]


def test_the_run_leaves_what_the_tools_read(workdir: Path) -> None:
  network = trained.load(workdir)
  assert network.name == "turntable_unet"
  assert network.origin["step"] == 20
  frames = np.full((2, 13, 17, 3), 20, np.uint8)
  assert methods.load(workdir)(frames).shape == frames.shape
  config = json.loads((workdir / "config.json").read_text())
  assert config["data"]["name"] == "dark_clips"
  assert list((workdir / "tensorboard").iterdir())


def test_tensorboard_holds_scalars_and_pictures(workdir: Path) -> None:
  from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

  events = EventAccumulator(str(workdir / "tensorboard"))
  events.Reload()
  tags = events.Tags()
  assert {"loss", "loss/l1", "loss/adversarial", "critic/penalty", "eval/psnr"} <= set(
    tags["scalars"]
  )
  assert "eval/bikes_245_0" in tags["images"]  # of the split validation
  assert events.Scalars("loss")[-1].step == 20


def test_a_checkpoint_of_another_network_is_refused(workdir: Path, data_dir: Path) -> None:
  config = tiny_config(data_dir)
  config.model.kwargs.widths = (6,)
  with pytest.raises(UserError, match=r"model\.kwargs\.widths is \[6\], was \[4\]"):
    train.train(config, workdir)
  with pytest.raises(UserError, match=r"batch_stats\.\S+ has shape \(4,\), expected \(6,\)"):
    train.train(config, workdir, allow_changes=True)
  assert json.loads((workdir / "config.json").read_text())["model"]["kwargs"]["widths"] == [4]


def test_a_loss_that_is_not_finite_stops_the_run(data_dir: Path, tmp_path: Path) -> None:
  config = without_critic(data_dir)
  config.optimizer.rate = 1e30
  with pytest.raises(UserError, match=r"step \d+: .*loss.* = (nan|inf)") as caught:
    train.train(config, tmp_path)
  # The batch that did it can be looked at, and the message says which clips it holds.
  (saved,) = tmp_path.glob("debug_step_*.npz")
  with np.load(saved) as batch:
    assert batch["low"].shape == (4, 1, 16, 16, 3)
    assert all(name in str(caught.value) for name in batch["id"])
    assert batch["id"][0].split("/")[0] in ("bikes", "bigbuckbunny")
  assert not (tmp_path / "best.safetensors").exists()
  assert Checkpoints(tmp_path / "checkpoints").latest is None


def test_data_that_cannot_be_scored_are_refused_before_any_step(
  data_dir: Path, tmp_path: Path
) -> None:
  config = tiny_config(data_dir)
  config.test_data.update(name="dark_clips", config="tiny", validation="nowhere")
  with pytest.raises(UserError, match=r"expected one of the splits .*found 'nowhere'"):
    train.train(config, tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_the_same_from_the_command_line(data_dir: Path, tmp_path: Path) -> None:
  """One real process, eight devices: the last line of a run is its metrics as JSON."""
  command = [sys.executable, "-m", "experiments.train"]
  command += ["--config=experiments/configs/turntable_gan.py:smoke,no_critic,no_finetune"]
  command += [f"--workdir={tmp_path}", f"--config.data.dir={data_dir}"]
  command += ["--config.data.batch=8", "--config.data.crop=24", "--config.train.steps=2"]
  command += ["--config.phases.gan.loss.vgg16=0.0", "--config.data.config=tiny"]
  command += ["--config.model.kwargs.widths=(4,)"]
  done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  metrics = json.loads(done.stdout.splitlines()[-1])
  assert metrics["step"] == 2
  assert "step 2/2" in done.stdout
  assert "left" in done.stdout


def test_evaluate_then_enhance(workdir: Path, data_dir: Path, tmp_path: Path) -> None:
  """What evaluation leaves, the tool takes: the held-out clip goes in dark and comes out whole."""
  report = scored.evaluate_split(str(workdir), data_dir=str(data_dir), out=tmp_path)
  held_out = tmp_path / "held_out"
  held_out.mkdir()
  scored.evaluate_split(str(workdir), data_dir=str(data_dir), out=held_out, split="validation")
  assert {"turntable_unet", "input", "auto_gain", "hist_eq", "clahe"} <= set(report.methods)
  final = json.loads((tmp_path / "metrics.json").read_text())
  assert final["protocol"] == "plain"
  chosen = trained.load(workdir).origin["psnr"]  # by the split validation, not by that of the test
  expected = json.loads((held_out / "metrics.json").read_text())["psnr"]
  np.testing.assert_allclose(chosen, expected, rtol=1e-3)
  assert abs(final["psnr"] - chosen) > 1e-2
  assert read_image(tmp_path / "strip.png").ndim == 3

  dark = tmp_path / "carphone_0_dark.mp4"
  command.run(dark, tmp_path / "bright.mp4", model=workdir, side_by_side=True)
  before, after = read_info(dark), read_info(tmp_path / "bright.mp4")
  assert (after.width, after.height) == (2 * before.width, before.height)
  assert after.average_rate == before.average_rate
  assert len(list(read_frames(tmp_path / "bright.mp4"))) == 12
