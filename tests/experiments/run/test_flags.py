import functools
import operator
from pathlib import Path
from typing import Any

import pytest

from experiments.run import flags
from experiments.run.assemble import Run
from llve_jax.errors import UserError

CONFIGS = Path(flags.__file__).parents[1] / "configs"
CONFIG = str(CONFIGS / "turntable_gan.py")


def check(*arguments: str) -> None:
  flags.check(["train.py", *arguments])


def test_what_is_right_passes() -> None:
  check(f"--config={CONFIG}:plain,smoke", "--config.data.batch=3", "--workdir=x")
  check("--config", f"{CONFIG}:smoke", "--config.phases.gan.loss.l1=0.5")
  check(f"--config={CONFIG}", "--config.model.kwargs.widths=(4,8)")
  check("--workdir=x")


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ([f"--config={CONFIG}:smoek"], "no variant smoek; known: published, plain, resnext"),
    ([f"--config={CONFIG}", "--config.data.bathc=3"], "no 'bathc'; known: augment, batch"),
    ([f"--config={CONFIG}", "--config.seed.x=3"], "config.seed is a single value"),
    ([f"--config={CONFIG}", "--config.phases.gan.loss.l3=1"], "no 'l3'; known: .*l1, .*ssim"),
    ([f"--config={CONFIG}", "--config.model.kwargs.depht=2"], "no 'depht'; known: .*, remat"),
    ([f"--config={CONFIG}", "--config.model.kwargs.remat.x=2"], "no 'remat'"),
    ([f"--config={CONFIG}", "--config.model.kwargs.remat=yes"], "remat=yes: expected .* False"),
    ([f"--config={CONFIG}", "--config.model.kwargs.dtype=float16"], "no 'dtype'"),
    (
      [f"--config={CONFIG}", "--config.model.name=unet3d", "--config.model.kwargs.resnxt=True"],
      "known: .*, depth, .*variant",
    ),
    (
      [f"--config={CONFIG}", "--config.step.options.penalty=2"],
      "no 'penalty'; known: .*penalty_mixing, penalty_norm",
    ),
    ([f"--config={CONFIG}", "--config.step.options.frames.all=2"], "no 'frames'"),
    (
      [f"--config={CONFIG}", "--config.critics.critic.kwargs.sigmoid=2"],
      "no 'sigmoid'; known: .*widths",
    ),
    ([f"--config={CONFIG}", "--config.phases.gan.loss.ssim=much"], "ssim=much: expected .* 0.0"),
    (
      [f"--config={CONFIG}", "--noconfig.optimizer.schedule.warmup"],
      "no 'warmup'; known: at, factor, name",
    ),
    (["--config=nowhere.py"], "nowhere.py: no such configuration"),
    (["--config", f"{CONFIG}:nope"], "no variant nope"),
  ],
)
def test_what_is_wrong_is_named_with_what_is_known(arguments: list[str], message: str) -> None:
  with pytest.raises(UserError, match=message):
    check(*arguments)


def test_a_file_without_get_config(tmp_path: Path) -> None:
  path = tmp_path / "other.py"
  path.write_text("x = 1\n")
  with pytest.raises(UserError, match="defines no get_config"):
    check(f"--config={path}")


@pytest.mark.parametrize(
  ("config", "settings", "expected"),
  [
    ("turntable_gan.py", "model.kwargs.remat=True", True),  # of the README
    ("unet3d.py", "model.kwargs.remat=true", True),
    ("smid.py", "model.kwargs.remat=False", False),
    ("turntable_gan.py", "phases.gan.loss.ssim=1", 1),
    ("unet3d.py", "phases.all.loss.region_adaptive=0.5", 0.5),
    ("zero_dce.py", "phases.all.loss.zero_dce_released=0.5", 0.5),
    ("turntable_gan.py", "step.options.penalty_mixing=batch", "batch"),
    ("recurrent_unet.py", "step.options.consistency_weight=0.1", 0.1),
    ("turntable_gan.py", "critics.critic.kwargs.widths=(4,8)", (4, 8)),
    ("unet3d.py:gan", "critics.critic.kwargs.hidden=8", 8),
    ("deblurgan.py", "critics.critic.clip_norm=0.1", 0.1),
    ("recurrent_unet.py", "optimizer.schedule.warmup=0.1", 0.1),
  ],
)
def test_what_the_code_takes_can_be_set_though_the_file_does_not_preset_it(
  config: str, settings: str, expected: object
) -> None:
  *path, last = settings.partition("=")[0].split(".")

  def parent(config: Any) -> Any:
    return functools.reduce(operator.getitem, path, config)

  assert last not in parent(flags.load(str(CONFIGS / config)))
  fallback = "--config.vgg19.fallback=True"  # its weights do not ship
  found = flags.parse([f"--config={CONFIGS / config}", fallback, f"--config.{settings}"])
  assert parent(found)[last] == expected
  assert type(parent(found)[last]) is type(expected)
  assert Run(found).steps > 0


def test_a_value_that_is_set_apart_is_refused() -> None:
  """absl would take the name alone for a yes."""
  with pytest.raises(UserError, match=r"ssim=: expected a value such as 0\.0"):
    check(f"--config={CONFIG}", "--config.phases.gan.loss.ssim", "1")


def test_one_word_is_yes_or_no() -> None:
  for given, expected in (
    ("--config.model.kwargs.remat", True),
    ("--noconfig.model.kwargs.remat", False),
  ):
    assert flags.parse([f"--config={CONFIG}", given]).model.kwargs.remat is expected


def test_a_name_given_as_well_says_what_is_known() -> None:
  found = flags.parse(
    [
      f"--config={CONFIG}:no_critic",
      "--config.model.name=unet3d",
      "--config.model.kwargs={'depth': 2}",
      "--config.model.kwargs.base=4",
    ]
  )
  assert Run(found).generator.depth == 2
