"""Dark files as a visitor has them."""

from pathlib import Path

import numpy as np
import pytest

from llve_jax.io.images import write_image
from llve_jax.io.video import write_video


@pytest.fixture(scope="session")
def dark_picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
  """A dark gradient, 48 by 32."""
  path = tmp_path_factory.mktemp("dark") / "dark.png"
  write_image(path, np.linspace(0, 60, 32 * 48 * 3).reshape(32, 48, 3).astype(np.uint8))
  return path


@pytest.fixture(scope="session")
def dark_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
  """Twenty dark frames, 48 by 32, at 10 a second; a bar moves."""
  frames = np.full((20, 32, 48, 3), 20, np.uint8)
  for at, frame in enumerate(frames):
    frame[:, 2 * at : 2 * at + 6] = 60
  path = tmp_path_factory.mktemp("dark") / "dark.mp4"
  write_video(path, frames, 10)
  return path
