"""Imports go down only; read from the code, so that a lazy import inside a function counts too."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EVERYBODY = {"shapes", "errors", "stopping", "at_once"}
ALLOWED = {
  "shapes": set(),
  "errors": set(),
  "stopping": set(),
  "at_once": set(),
  "ops": set(),
  "job": set(),
  "io": {"ops", "job"},  # job: what several processes find in a folder is agreed on
  "models": {"ops"},
  "losses": {"ops", "io"},  # io: perceptual losses look through weights that are files
  "metrics": {"ops", "io"},  # io: reports are files, folders are compared
  "data": {"ops", "io"},
  "prepare": {"ops", "io"},
  "zoo": {"models", "io", "ops"},
  "methods": {"zoo", "models", "io", "ops"},
  "score": {"methods", "metrics", "data", "io", "ops"},
  # data: splits that TFDS made are inputs of the tool, as films are; score has both for that reason
  "enhance": {"methods", "metrics", "data", "zoo", "models", "io", "ops"},
  "demo": {"enhance", "methods", "metrics", "zoo", "models", "io", "ops"},
  "export": {"methods", "zoo", "models", "io", "ops"},
  "plan": {"models", "zoo", "io", "ops"},
  "train": {"models", "losses", "metrics", "data", "score", "job", "io", "ops"},
}
# Data, written down.
TABLES = {"llve_jax/metrics/protocols.py", "tests/test_published.py"}
HEAVY = {"tensorflow": {"export", "tfds_builders"}, "grain": {"data", "io"}}


def imports(path: Path) -> set[str]:
  names = set()
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      names |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f"{path}: relative import"
      names |= {f"{node.module}.{alias.name}" for alias in node.names}
  return names


def room(path: Path) -> str:
  parts = path.relative_to(ROOT).with_suffix("").parts
  return parts[1] if parts[0] == "llve_jax" else parts[0]


def sources() -> list[Path]:
  folders = ("llve_jax", "tfds_builders", "experiments")
  return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_the_walk_finds_the_house() -> None:
  rooms = {room(path) for path in sources() if path.parent.name != "llve_jax"}
  assert rooms == (ALLOWED.keys() - EVERYBODY) | {"tfds_builders", "experiments"}


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
  here = room(path)
  for name in imports(path):
    top, *rest = name.split(".")
    if top == "llve_jax" and rest and here not in ("experiments", "__init__"):
      allowed = ALLOWED.get(here, {"io", "ops"}) | EVERYBODY | {here}  # tfds_builders: io, ops
      assert rest[0] in allowed, f"{here} must not import {name}"
    if here in ALLOWED:
      assert top not in ("experiments", "tfds_builders", "tests", "ml_collections"), name
    if top in HEAVY and "benchmarks" not in path.parts:  # which run rivals
      assert here in HEAVY[top], f"{here} must not import {top}"


def test_configs_import_ml_collections_and_their_base_only() -> None:
  for path in (ROOT / "experiments" / "configs").glob("*.py"):
    ours = {name for name in imports(path) if name.startswith(("experiments", "llve_jax"))}
    tops = {name.split(".")[0] for name in imports(path) - ours}
    assert tops <= {"ml_collections", "collections"}, path
    assert ours <= {"experiments.configs.base"}, path


def test_no_drawer_for_everything() -> None:
  assert not [path for path in ROOT.rglob("util*.py") if ".venv" not in path.parts]


def test_a_file_is_read_in_one_sitting() -> None:
  files = [*sources(), *(ROOT / "tests").rglob("*.py")]
  lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
  assert {name for name, count in lines.items() if count > 300} == TABLES
