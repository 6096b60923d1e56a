import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LAUNCH = REPOSITORY / "launch"


@pytest.fixture
def launch():
  """Runs a script of launch/ to its end; `tools` is a folder that comes first on PATH."""

  def run(script, *arguments, tools=None, cwd=None, timeout=60, **environment):
    path = os.pathsep.join(filter(None, [tools and str(tools), os.environ["PATH"]]))
    return subprocess.run(
      ["bash", str(LAUNCH / script), *map(str, arguments)],
      capture_output=True,
      text=True,
      timeout=timeout,
      cwd=cwd,
      env={**os.environ, "PATH": path, **environment},
    )

  return run


@pytest.fixture
def script(tmp_path):
  """Makes an executable on a folder for `tools`."""

  def make(name, text):
    path = tmp_path / "tools" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path.parent

  return make


@pytest.fixture
def python(tmp_path):
  """Writes a Python program; returns the command that runs it."""

  def make(text):
    path = tmp_path / "a program.py"
    path.write_text(text)
    return [sys.executable, str(path)]

  return make
