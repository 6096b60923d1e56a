from pathlib import Path

import pytest

from experiments.run import flags
from llve_jax.errors import UserError

CONFIG = str(Path(flags.__file__).parent / "configs" / "turntable_gan.py")


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
    ([f"--config={CONFIG}:smoek"], "no variant smoek; known: plain, resnext"),
    ([f"--config={CONFIG}", "--config.data.bathc=3"], "no 'bathc'; known: augment, batch"),
    ([f"--config={CONFIG}", "--config.seed.x=3"], "config.seed is a single value"),
    ([f"--config={CONFIG}", "--config.phases.gan.loss.l3=1"], "no 'l3'; known: l1, tv, vgg16"),
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
