"""The command that plans a run on TPUs."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments import plan
from experiments.run import flags, on_slices
from llve_jax.errors import UserError
from llve_jax.plan import topology
from llve_jax.plan.compile import Memory, Program, Work
from tests import commands

pytestmark = pytest.mark.usefixtures("standard_promotion")
REPOSITORY = Path(__file__).parents[2]
needs_libtpu = pytest.mark.skipif(
  importlib.util.find_spec("libtpu") is None, reason="compiling for a TPU needs libtpu"
)
EIGHT, SIXTEEN = topology.parse("v5e:2x4"), topology.parse("v5e:4x4")
CONFIGS = "experiments/configs"
GIB = 2**30


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
  return subprocess.run(
    [sys.executable, "-m", "experiments.plan", *arguments],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
    check=False,
  )


def config(name: str, **changes: Any) -> Any:
  found = flags.load(f"{REPOSITORY / CONFIGS}/{name}")
  found.update_from_flattened_dict({key.replace("__", "."): x for key, x in changes.items()})
  return found


class Compiler:
  """Instead of the real one: a clip needs a GiB, takes a millisecond, and no more are allowed."""

  def __init__(self, most: int):
    self.most = most
    self.seen: list[tuple[str, int, float]] = []

  def __call__(self, slice_: topology.Topology, program: Any) -> Program:
    clips = program.in_avals[0][1]["low"].shape[0] // slice_.size
    self.seen.append((str(slice_), clips, program.in_avals[0][1]["high"].shape[2]))
    if clips > self.most:
      return Program(slice_, clips * GIB, self.most * GIB, None, None, 0.0)
    cycles = round(clips * 1e-3 * slice_.chip.clock)
    work = Work(1e9, cycles, 1, 1e9, 1.0, None, (), 0)
    return Program(
      slice_, clips * GIB, self.most * GIB, Memory(0, 0, clips * GIB, 0, clips * GIB), work, 0.0
    )


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Compiler:
  fake = Compiler(getattr(request, "param", 4))
  monkeypatch.setattr(on_slices.compile, "compile_for", fake)
  return fake


@pytest.mark.parametrize(
  ("arguments", "told"),
  [
    ((), "--config=FILE[:VARIANT,...] is needed"),
    (("--topology=v9:2x4",), "known: v4, v5e, v5p, v6e"),
    (("--topology=v5e:2x4",), "a global batch of 2 clips cannot be split over 8 devices"),
    (("--batch=8", "--per_chip_batch=1"), "give one of --batch and --per_chip_batch"),
    (("--scaling=v5e", "--batch=8"), "--scaling takes its own slices"),
    (("--batch=0",), "--batch is 0; expected at least 1"),
    (("--json=/nowhere/plan.json",), "there is no folder /nowhere"),
    (("--enhance=large",), "expected WIDTHxHEIGHT"),
    (("extra",), "unexpected argument 'extra'"),
  ],
)
def test_bad_flags_are_refused(arguments: tuple[str, ...], told: str) -> None:
  first = [f"--config={CONFIGS}/zero_dce.py:smoke"] if arguments else []
  done = commands.run("experiments.plan", *first, *arguments)
  assert done.returncode == 2
  assert told in done.stderr
  assert "Traceback" not in done.stderr


@needs_libtpu
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_real_plans_of_pods(tmp_path: Path) -> None:
  """A batch of 256 on 8 and on 256 chips; docs/PLAN.md has more."""
  file = tmp_path / "plan.json"
  slices = ["v5e:2x4", "v5e:16x16"]
  done = command(
    f"--config={CONFIGS}/zero_dce.py:pod",
    "--config.data.crop=16",  # a fraction of the compiler's time
    "--config.model.kwargs.features=2",
    "--config.model.kwargs.iterations=1",
    f"--topology={','.join(slices)}",
    f"--json={file}",
  )
  assert done.returncode == 0, done.stderr
  check_plans(json.loads(file.read_text())["training"], slices)
  large = topology.parse(slices[1])
  check_plans(
    plan.plan_training(config("sci.py:pod", data__crop=16, model__kwargs__stages=2), [large]),
    slices[1:],
  )


def check_plans(plans: list[dict[str, Any]], slices: list[str]) -> None:
  assert [found["topology"] for found in plans] == slices
  for found in plans:
    assert found["batch"] == 256
    step = found["steps"]["all"]
    assert step["fits"]
    assert step["collectives"]["all-reduce"]["count"] >= 1
    assert 0 < step["hbm"]["arguments"] < step["hbm_needed"] < step["hbm_usable"]
    assert found["run"]["chip_hours"] > 0
  first, last = (
    found["steps"]["all"]["flops"] * found["steps"]["all"]["chips"]
    for found in (plans[0], plans[-1])
  )
  assert first == pytest.approx(last)  # the same work, on however many chips


@needs_libtpu
def test_a_real_plan_of_enhancing(capsys: pytest.CaptureFixture[str]) -> None:
  (found,) = plan.plan_enhancing(config("zero_dce.py:smoke"), "96x64", [EIGHT, SIXTEEN])
  assert found["topology"] == "v5e:1x1"
  assert found["items_per_step"] == 8
  assert found["items_per_second"] > 0
  assert "frames a second" in capsys.readouterr().out


@pytest.mark.parametrize(
  ("name", "how"),
  [
    ("recurrent_unet.py:smoke", "96x64, whole, 8 frames at a time"),
    ("unet3d.py:smoke", "48x32, whole, windows of 651 frames, one at a time"),  # packed mosaics
  ],
)
def test_networks_with_a_memory_or_windows_enhance_too(
  name: str, how: str, compiler: Compiler
) -> None:
  del compiler
  assert str(on_slices.Enhancing(config(name), "96x64")).endswith(f"in float32, enhancing {how}")


def test_every_phase_is_a_kind_of_step(compiler: Compiler) -> None:
  training = on_slices.Training(config("turntable_gan.py:smoke"))
  assert training.phases == ["gan", "finetune"]
  assert "phase gan: 6 of 10 steps" in training.kinds[0]
  columns = training.compile(EIGHT, 16)
  assert compiler.seen == [("v5e:2x4", 2, 32)] * 2
  run = training.cost(EIGHT, columns)
  assert run is not None
  # As many clips as configured: 10 steps of 2, so now 1 and a half of 16, and 1 at least of a kind.
  assert run.step_seconds == pytest.approx(2e-3)
  assert training.clips == 20


def test_mosaics_have_larger_targets(compiler: Compiler) -> None:
  training = on_slices.Training(config("unet3d.py:smoke"))
  training.compile(EIGHT, 8)
  assert compiler.seen == [("v5e:2x4", 1, 48)]


def test_the_batch_that_fits_is_found(compiler: Compiler, capsys: pytest.CaptureFixture) -> None:
  (found,) = plan.plan_training(config("zero_dce.py:smoke"), [EIGHT], batch=8 * 32)
  assert found["batch"] == 256
  assert not found["steps"]["all"]["fits"]
  assert found["largest_fitting"]["all"]["items_per_step"] == 32
  assert found["run"]["batch"] == 32
  # What is hopeless is not compiled.
  assert [clips for _, clips, _ in compiler.seen] == [32, 8, 4]
  assert "a batch of 256 does not fit; 32 does" in capsys.readouterr().out


@pytest.mark.parametrize("compiler", [0], indirect=True)
def test_where_nothing_fits_frames_should_be_split(
  compiler: Compiler, capsys: pytest.CaptureFixture[str]
) -> None:
  (found,) = plan.plan_training(config("zero_dce.py:smoke"), [EIGHT], per_chip=2)
  assert "run" not in found
  assert found["largest_fitting"] == {}
  assert "--config.mesh.rows=2" in capsys.readouterr().out
  assert compiler.seen


def test_scaling_keeps_the_load_of_a_chip(
  compiler: Compiler, capsys: pytest.CaptureFixture[str]
) -> None:
  found = plan.plan_scaling(config("zero_dce.py:smoke"), "v5e", per_chip=2)
  assert [run["chips"] for run in found] == [8, 16, 32, 64, 128, 256]
  assert {clips for _, clips, _ in compiler.seen} == {2}
  assert [run["efficiency"] for run in found] == pytest.approx([1.0] * 6)
  assert "efficiency" in capsys.readouterr().out


@pytest.mark.parametrize("compiler", [1], indirect=True)
def test_scaling_with_too_many_clips_is_refused(compiler: Compiler) -> None:
  with pytest.raises(UserError, match=r"2 clips a chip it needs 2.00 GiB of memory, of 1.00"):
    plan.plan_scaling(config("zero_dce.py:smoke"), "v5e", per_chip=2)
  assert len(compiler.seen) == 1


def test_weights_that_nobody_has_are_not_needed(
  compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
  monkeypatch.delenv("LLVE_VGG19", raising=False)
  asked = config("smid.py:smoke", vgg19__fallback=False).lock()
  training = on_slices.Training(asked)
  training.compile(EIGHT, 8)
  assert compiler.seen
  assert asked.vgg19.file == ""


def test_frames_are_split_by_rows(compiler: Compiler) -> None:
  training = on_slices.Training(config("zero_dce.py:smoke", mesh__rows=2))
  assert training.groups(EIGHT) == 4
  assert training.batch(EIGHT, None, 3) == 12
  training.compile(EIGHT, 12)
  assert compiler.seen[0][1] == 12 // 8


def test_a_part_of_the_devices_cannot_be_planned() -> None:
  with pytest.raises(UserError, match="leave it at -1"):
    on_slices.Training(config("zero_dce.py:smoke", mesh__data=4))
