"""The notebook of docs/ runs as it stands: its cells, one after the other, in one namespace."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TOUR = ROOT / "docs" / "tour.ipynb"
# Shows what a notebook would: the value of a cell's last line.
_RUN = """
import ast, json, sys
namespace = {"__name__": "__main__"}
for number, source in enumerate(json.load(open(sys.argv[1]))):
  tree = ast.parse(source)
  last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
  exec(compile(tree, f"cell {number}", "exec"), namespace)
  value = last and eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), namespace)
  print(f"cell {number}: {type(value).__name__}", flush=True)
"""


def sources() -> list[str]:
  """The cells of Python."""
  cells = json.loads(TOUR.read_text(encoding="utf-8"))["cells"]
  return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_it_is_a_notebook_with_what_came_out() -> None:
  notebook: dict[str, Any] = json.loads(TOUR.read_text(encoding="utf-8"))
  assert notebook["nbformat"] == 4
  shown = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
  assert any("image/png" in output.get("data", {}) for output in shown)
  assert not any("Traceback" in json.dumps(output) for output in shown)
  assert TOUR.stat().st_size < 1_500_000
  for source in sources():
    ast.parse(source)


@pytest.mark.slow
def test_every_cell_runs(tmp_path: Path) -> None:
  """In an empty folder, in a process of its own: it changes what others rely on."""
  cells = tmp_path / "cells.json"
  cells.write_text(json.dumps(sources()), encoding="utf-8")
  work = tmp_path / "work"
  work.mkdir()
  # One device, as a reader has: eight take turns on the cores of one.
  flags = [flag for flag in os.environ["XLA_FLAGS"].split() if "device_count" not in flag]
  done = subprocess.run(
    [sys.executable, "-c", _RUN, str(cells)],
    cwd=work,
    env={**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": " ".join(flags)},
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  told = [line for line in done.stdout.splitlines() if line.startswith("cell ")]
  assert len(told) == len(sources())
  assert sum("Image" in line for line in told) >= 3
