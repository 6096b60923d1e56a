"""`llve COMMAND` is `python -m` of the module behind it; what is no command is refused by name."""

import importlib.util

import pytest

from llve_jax.__main__ import MODULES, main
from tests import commands


@pytest.mark.parametrize("module", MODULES.values())
def test_every_command_is_a_module_that_runs(module: str) -> None:
  assert importlib.util.find_spec(f"{module}.__main__") is not None


def test_a_command_gets_the_other_arguments() -> None:
  listed = commands.run("llve_jax", "models")
  assert listed.returncode == 0
  assert listed.stdout == commands.run("llve_jax.zoo").stdout
  refused = commands.run("llve_jax", "enhance", "/nowhere/dark.mp4", "/nowhere/bright.mp4")
  assert refused.returncode == 2
  assert "/nowhere/dark.mp4: expected an image or a video, found no such file" in refused.stderr
  assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(("given", "found"), [([], "nothing"), (["brighten", "a"], "'brighten'")])
def test_what_is_no_command_is_refused(
  given: list[str],
  found: str,
  monkeypatch: pytest.MonkeyPatch,
  capsys: pytest.CaptureFixture[str],
) -> None:
  monkeypatch.setattr("sys.argv", ["llve", *given])
  assert main() == 2
  told = f"llve: expected a command, found {found}; known: enhance, models, export, demo, prepare\n"
  assert capsys.readouterr().err == told


def test_help_names_the_commands(
  monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
  monkeypatch.setattr("sys.argv", ["llve", "--help"])
  assert main() == 0
  shown = capsys.readouterr().out
  assert all(f"llve {name}" in shown for name in MODULES)
