"""Which Python .venv is made of, among ones that only say what they are."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launch.conftest import LAUNCH


def python(path: Path, version: str, seconds: float, supported: bool = True) -> None:
  """A file that answers what the script asks, wherever it is named python3 or by its version."""
  path.parent.mkdir(exist_ok=True)
  for name in (path, path.with_name(f"python{version}")):
    name.write_text(f"""#!/bin/sh
case "$2" in
  *ensurepip*) exit {int(not supported)} ;;
  *process_time*) echo "{seconds:.4f} {path.parent}/python{version}" ;;
  *) echo python{version} ;;
esac
""")
    name.chmod(0o755)


@pytest.fixture
def found(tmp_path: Path) -> Callable[..., str]:
  """What the script prints where these folders alone have a Python."""
  tools = tmp_path / "tools"
  tools.mkdir()
  for name in ("sort", "head", "cut"):
    (tools / name).symlink_to(shutil.which(name) or "")

  def run(*folders: Path) -> str:
    done = subprocess.run(
      [shutil.which("bash") or "", LAUNCH / "find_python.sh"],
      capture_output=True,
      text=True,
      timeout=60,
      env={"PATH": os.pathsep.join(map(str, (*folders, tools)))},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()

  return run


def test_the_fastest_build_of_the_first_version(tmp_path: Path, found) -> None:
  slow, fast, newer = (tmp_path / name for name in ("slow", "a fast one", "newer"))
  python(slow / "python3", "3.12", 0.03)
  python(fast / "python3", "3.12", 0.02)
  python(newer / "python3", "3.13", 0.01)
  assert found(slow, fast, newer) == f"{fast}/python3.12"
  assert found(fast, slow) == f"{fast}/python3.12"
  assert found(newer, fast) == f"{newer}/python3.13"


def test_one_that_is_not_supported_is_passed_over(tmp_path: Path, found) -> None:
  """It is too old, or has no venv."""
  old, bare, good = (tmp_path / name for name in ("old", "bare", "good"))
  python(old / "python3", "3.9", 0.01, supported=False)
  python(bare / "python3", "3.11", 0.01, supported=False)
  assert found(old, bare) == ""
  python(good / "python3", "3.11", 0.02)
  (good / "python3").unlink()
  assert found(old, bare, good) == f"{good}/python3.11"


def test_what_it_prints_makes_environments(launch) -> None:
  path = launch("find_python.sh").stdout.strip()
  done = subprocess.run([path, "-c", "import ensurepip, venv"], timeout=60)
  assert done.returncode == 0


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_versions_without_a_lock_are_refused(version: tuple[int, int]) -> None:
  """By the very line that the script has Python run."""
  text = (LAUNCH / "find_python.sh").read_text()
  line = next(line for line in text.splitlines() if line.startswith("supported="))
  code = line.partition("'")[2].rpartition("'")[0]
  told: list[object] = []
  fake = {"sys": type("sys", (), {"version_info": (*version, 1), "exit": told.append})}
  exec(code.partition("import ensurepip, sys, venv; ")[2], fake)
  assert told == [True]
