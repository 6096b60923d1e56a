"""`pip install` of the built package alone gives a working tool, away from the repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from llve_jax.io.images import read_image, write_image
from llve_jax.io.video import read_info, write_video

ROOT = Path(__file__).parents[1]
UV = Path(sys.executable).with_name("uv")
PIECES = ("llve_jax", "tfds_builders", "setup.py", "pyproject.toml", "README.md", "LICENSE")


def run(*command: str | Path, cwd: Path) -> str:
  """What a command prints; fails with what it said."""
  kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
  kept.pop("XLA_FLAGS", None)
  done = subprocess.run(
    [str(word) for word in command], cwd=cwd, env=kept, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stdout + done.stderr
  return done.stdout + done.stderr


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
  """Python of an environment that holds the wheel and what it asks for, and nothing else."""
  if not UV.exists():
    pytest.skip("uv is not installed beside Python; `make venv` does that")
  folder = tmp_path_factory.mktemp("install")
  source = folder / "source"
  source.mkdir()
  for piece in PIECES:  # a copy: a build writes into the folder
    copy = shutil.copytree if (ROOT / piece).is_dir() else shutil.copy
    copy(ROOT / piece, source / piece)
  run(
    *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
    *("--wheel-dir", folder, source),
    cwd=folder,
  )
  (wheel,) = folder.glob("*.whl")
  environment = folder / "environment"
  run(UV, "venv", "--quiet", "--python", sys.executable, environment, cwd=folder)
  python = environment / "bin" / "python"
  lock = ROOT / "requirements.lock"
  run(UV, "pip", "install", "--quiet", "--python", python, "-c", lock, wheel, cwd=folder)
  return python


@pytest.mark.slow
def test_the_tool_enhances_a_clip(python: Path, tmp_path: Path) -> None:
  dark = np.random.default_rng(0).integers(0, 60, (6, 48, 64, 3)).astype(np.uint8)
  write_video(tmp_path / "dark.mp4", dark, 25)
  tool = (python, "-m", "llve_jax.enhance")
  said = run(*tool, "dark.mp4", "bright.mp4", "--model=auto_gain", cwd=tmp_path)
  assert "6 frames of 64x48" in said
  assert read_info(tmp_path / "bright.mp4").width == 64


@pytest.mark.slow
def test_it_comes_with_networks(python: Path, tmp_path: Path) -> None:
  """The wheel holds weights and cards; the first network of the list brightens a picture."""
  lines = run(python, "-m", "llve_jax.zoo", cwd=tmp_path).splitlines()
  name = lines[1].split()[0]
  write_image(tmp_path / "dark.png", np.full((48, 64, 3), 12, np.uint8))
  run(python, "-m", "llve_jax.enhance", "dark.png", "bright.png", f"--model={name}", cwd=tmp_path)
  assert read_image(tmp_path / "bright.png").mean() > 12


@pytest.mark.slow
def test_no_part_of_it_wants_a_package_that_was_not_asked_for(python: Path, tmp_path: Path) -> None:
  """Every module imports, but for those that need an extra and say so."""
  program = """
import importlib, pkgutil, llve_jax
extras = ("llve_jax.export.saved_model_runner", "llve_jax.demo.page")
for module in pkgutil.walk_packages(llve_jax.__path__, "llve_jax."):
  if not module.name.endswith("__main__") and module.name not in extras:
    importlib.import_module(module.name)
"""
  run(python, "-c", program, cwd=tmp_path)
