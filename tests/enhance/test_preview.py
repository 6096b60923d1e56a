"""A strip of moments, and the time that a full run would take."""

import numpy as np
import pytest

from llve_jax.enhance import command
from llve_jax.enhance.preview import Preview, preview
from llve_jax.errors import UserError
from llve_jax.io.images import read_image
from llve_jax.io.video import make_plan, read_info
from llve_jax.methods.classic import Classic


@pytest.fixture(scope="module")
def clip(make_clip, tmp_path_factory):
  """Fifty frames, each of one grey that tells its number."""
  frames = np.zeros((50, 16, 24, 3), np.uint8) + np.arange(50, dtype=np.uint8)[:, None, None, None]
  return make_clip(tmp_path_factory.mktemp("clip") / "dark.mp4", 20 + 4 * frames, audio=None)


def test_moments_stand_input_above_output(clip, tmp_path):
  plan = make_plan(read_info(clip), tmp_path / "bright.mp4")
  made = preview(plan, Classic("gamma"), 2, tmp_path / "look.png")
  assert made.moments == (0.5, 1.5)
  strip = read_image(tmp_path / "look.png")
  assert strip.shape == (16 + 4 + 16, 24 + 4 + 24, 3)
  for column, index in ((strip[:, :24], 12), (strip[:, 28:], 37)):
    grey = 20 + 4 * index
    assert abs(int(column[8, 12, 0]) - grey) <= 2  # no frame beside it
    assert abs(int(column[28, 12, 0]) - 255 * (grey / 255) ** (1 / 2.2)) <= 6
  assert made.seconds > 0
  assert "input above output at 0.50, 1.50 s; a full run would take about" in str(made)
  assert [path.name for path in tmp_path.iterdir()] == ["look.png"]


@pytest.mark.parametrize(
  ("target", "written"), [("bright.mp4", "bright_preview.png"), ("look.png", "look.png")]
)
def test_the_command_writes_nothing_else(clip, tmp_path, target, written):
  made = command.run(clip, tmp_path / target, model="input", preview=1, quiet=True)
  assert isinstance(made, Preview)
  assert [path.name for path in tmp_path.iterdir()] == [written]


def test_what_cannot_be_shown(clip, tmp_path):
  with pytest.raises(UserError, match="--preview=0: expected how many moments"):
    command.run(clip, tmp_path / "a.mp4", model="input", preview=0)
  with pytest.raises(UserError, match=r"a preview is a \.png file, found the suffix '\.jpg'"):
    command.run(clip, tmp_path / "a.jpg", model="input", preview=1)
  assert "not known" in str(Preview(tmp_path / "a.png", (0.0,), None))
