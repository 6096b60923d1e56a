"""The first word comes before the libraries, and at a terminal only."""

import ast
import sys
from pathlib import Path

import pytest

from llve_jax import at_once

ROOT = Path(__file__).parents[1]
COMMANDS = [
  path
  for folder in ("llve_jax", "experiments", "tfds_builders")
  for path in (ROOT / folder).rglob("*.py")
  if "at_once.say" in path.read_text()
]


@pytest.mark.parametrize(
  ("given", "flags", "told"),
  [
    (["dark.mp4", "bright.mp4"], (), "reading dark.mp4 ...\n"),
    (["--batch=2", "dark.mp4"], (), "reading dark.mp4 ...\n"),
    (["--out=a", "--model=night", "out"], ("model", "pred"), "reading night ...\n"),
    (["--model", "night", "out"], ("model",), "reading night ...\n"),
    (["--models"], ("model",), "reading ...\n"),
    (["dark.mp4", "--quiet"], (), ""),
    (["--help"], (), ""),
  ],
)
def test_it_says_what_was_typed(
  given: list[str],
  flags: tuple[str, ...],
  told: str,
  monkeypatch: pytest.MonkeyPatch,
  capsys: pytest.CaptureFixture[str],
) -> None:
  monkeypatch.setattr(sys, "argv", ["llve", *given])
  at_once.say("reading", *flags)
  assert capsys.readouterr().err == ""  # no terminal
  monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
  at_once.say("reading", *flags)
  assert capsys.readouterr().err == told


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_loaded_before_it(path: Path) -> None:
  before: set[str] = set()
  for node in ast.parse(path.read_text()).body:
    if isinstance(node, ast.If) and "at_once.say" in ast.unparse(node):
      break
    if isinstance(node, ast.Import):
      before |= {alias.name.partition(".")[0] for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      before.add(ast.unparse(node))
  ours = {name for name in before if " " in name and name.split()[1].split(".")[0] == "llve_jax"}
  assert ours == {"from llve_jax import at_once"}
  others = {name.split()[1].split(".")[0] if " " in name else name for name in before - ours}
  assert others <= set(sys.stdlib_module_names)
