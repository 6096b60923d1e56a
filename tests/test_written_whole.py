"""Every file is written whole or not at all: read from the code, and tried on a disk that is full.

A file that appears at its own name while it is written is half a file to whoever looks, or for ever
where the disk fills up. `llve_jax.io.atomic.replacing` is the one way to write.
"""

import ast
import contextlib
import resource
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.configs import turntable_gan
from experiments.run.folder import Notes
from llve_jax.errors import UserError
from llve_jax.io import bundle, checksums, images, run_note
from llve_jax.io.video import VideoWriter
from llve_jax.metrics import protocols, report
from llve_jax.metrics.no_reference import Pristine
from llve_jax.prepare import contact_sheet, scene_log, settings
from llve_jax.train.debug import DebugBatch

ROOT = Path(__file__).parents[1]
LIMIT = 1000  # bytes that a file may have, less than what any writer below writes
LONG = "x" * (2 * LIMIT)
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


def scores() -> report.Report:
  made = report.Report(protocols.get("plain"), "net", {"note": LONG})
  values = np.linspace(1.0, 2.0, 200)
  made.add("net", "clip", [str(i) for i in range(200)], {"psnr": values, "ssim": values / 2})
  return made


def write_video(path: Path) -> None:
  with VideoWriter(path, 64, 64, rate=Fraction(25)) as writer:
    for _ in range(30):
      writer.write(NOISE)


def write_settings(path: Path) -> None:
  settings.save(settings.Settings(mode="turntable"), Path(LONG), path.parent)


def write_manifest(path: Path) -> None:
  for number in range(50):
    (path.parent / f"{number:03d}").touch()
  checksums.write(path.parent)


def write_run(path: Path) -> None:
  run_note.replace(path.parents[1], {"memory": LONG})


def write_config(path: Path) -> None:
  Notes(path.parent, turntable_gan.get_config())


def write_history(path: Path) -> None:
  notes = Notes.__new__(Notes)
  notes._workdir = path.parent
  notes.keep_history([{"psnr": 1.0}] * 200)


WRITERS: dict[str, Callable[[Path], Any]] = {
  "weights.safetensors": lambda path: bundle.save(
    path, bundle.Bundle("net", {}, {"params": {"w": jnp.zeros(LIMIT)}}, {})
  ),
  "frame.png": lambda path: images.write_image(path, NOISE),
  "frame.jpg": lambda path: images.write_image(path, NOISE),
  "frame.webp": lambda path: images.write_image(path, NOISE),
  "frame.avif": lambda path: images.write_image(path, NOISE),
  "frame.ppm": lambda path: images.write_image(path, NOISE),
  "frame.tif": lambda path: images.write_image(path, NOISE.astype(np.uint16) * 257),
  "deep.png": lambda path: images.write_image16(path, NOISE.astype(np.uint16) * 257),
  "clip.mp4": write_video,
  "clip.mkv": write_video,
  "report.json": lambda path: report.write_json([scores()], path),
  "report.csv": lambda path: report.write_csv([scores()], path),
  "pristine.npz": lambda path: Pristine(np.zeros(36), np.eye(36)).save(path),
  "debug_step_3.npz": lambda path: DebugBatch(lambda at: {"low": NOISE}, path.parent)(3),
  "contact_sheet.html": lambda path: contact_sheet.write(path, [LONG]),
  "log.jsonl": lambda path: scene_log.write(path, [{"status": "kept", "note": LONG}]),
  "settings.json": write_settings,
  "manifest.json": write_manifest,
  "run/run.json": write_run,
  "config.json": write_config,
  "history.json": write_history,
}


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
  """No file can grow beyond LIMIT, as on a disk that fills up in the middle of one."""
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
  try:
    yield
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_fills_up_leaves_the_old_file_and_no_other(tmp_path: Path, name: str) -> None:
  assert threading.current_thread() is threading.main_thread()
  target = tmp_path / name
  target.parent.mkdir(exist_ok=True)
  target.write_text("old")
  with full_disk(), pytest.raises((OSError, UserError)):
    WRITERS[name](target)
  assert target.read_text() == "old"
  assert not [path for path in tmp_path.rglob("*") if ".part" in path.name]
  WRITERS[name](target)  # it was the disk, and nothing else
  assert target.stat().st_size > LIMIT


# What may write without: where nobody looks before it is renamed, or by its nature grows.
ELSEWHERE = {
  "llve_jax/enhance/kept_parts.py": "a lock; nothing is in it",
  "llve_jax/export/litert.py": "in the folder that `formats` renames",
  "llve_jax/export/fixed_size_runner.py": "a process of its own, in a temporary folder",
  "llve_jax/export/onnx_file.py": "in a temporary folder",
  "llve_jax/io/silence.py": "/dev/null",
  "llve_jax/export/saved_model.py": "in the folder that `formats` renames",
  "llve_jax/export/saved_model_runner.py": "a process of its own, in a temporary folder",
  "llve_jax/export/stablehlo.py": "in the folder that `formats` renames",
  "llve_jax/export/stablehlo_runner.py": "a process of its own, in a temporary folder",
  "llve_jax/export/parity.py": "in a temporary folder",
  "llve_jax/io/video/parts.py": "/dev/null",
  "llve_jax/io/video/plan.py": "/dev/null",
  "llve_jax/io/video/writer.py": "leaves `replacing` in `__exit__`; tried above",
  "llve_jax/ops/compress.py": "in memory",
  "llve_jax/train/goodput.py": "a journal that grows line by line",
  "experiments/train.py": "/dev/null",
  "experiments/run/jobs.py": "logs of processes, which grow",
  "experiments/run/on_slices.py": "in a temporary folder",
  "experiments/benchmarks/film_memory.py": "in a temporary folder",
  "experiments/benchmarks/kill.py": "a log of a process",
  "experiments/benchmarks/page_load.py": "in a temporary folder",
  "experiments/benchmarks/pass_through.py": "in a temporary folder",
  "experiments/benchmarks/read.py": "in a temporary folder",
  "experiments/benchmarks/stranger.py": "in a temporary folder",
}
WAYS = {"write_text", "write_bytes", "savez", "savez_compressed", "imwrite"}


def writes(call: ast.Call) -> bool:
  """Whether a call is one that writes a file, by how it is named."""
  name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
  if name != "open":
    return name in WAYS
  modes = [node.value for node in ast.walk(call) if isinstance(node, ast.Constant)]
  return any(isinstance(mode, str) and set(mode) <= set("wxatb+") for mode in modes if mode)


def names_in(node: ast.AST) -> set[str]:
  return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def in_place(tree: ast.AST, safe: frozenset[str] = frozenset()) -> list[int]:
  """Lines of calls that write something that is not named by an enclosing `with replacing`."""
  found = []
  for node in ast.iter_child_nodes(tree):
    inside = safe
    if isinstance(node, ast.With):
      for item in node.items:
        if isinstance(item.optional_vars, ast.Name) and (
          {"replacing", "_written"} & names_in(item.context_expr)
          or inside & names_in(item.context_expr)
        ):
          inside |= {item.optional_vars.id}
    if isinstance(node, ast.Call) and writes(node) and not names_in(node) & inside:
      found.append(node.lineno)
    found += in_place(node, inside)
  return found


def sources() -> list[Path]:
  return sorted(
    path for folder in ("llve_jax", "experiments") for path in (ROOT / folder).rglob("*.py")
  )


def test_every_write_goes_to_a_temporary_name() -> None:
  found = {
    str(path.relative_to(ROOT)): lines
    for path in sources()
    if (lines := in_place(ast.parse(path.read_text())))
  }
  assert {name: lines for name, lines in found.items() if name not in ELSEWHERE} == {}
  assert found.keys() == ELSEWHERE.keys()  # no excuse that is none any more


@pytest.mark.parametrize(
  ("code", "lines"),
  [
    ("path.write_text('')", [1]),
    ("with replacing(path) as new:\n  new.write_text('')", []),
    ("with replacing(path) as new:\n  path.write_text('')", [2]),
    ("with nullcontext(path) as new:\n  new.write_bytes(b'')", [2]),
    ("with replacing(path) as new, open(new, 'wb') as file:\n  np.savez(file)", []),
    ("with open(path, 'w') as file:\n  file.write('')", [1]),
    ("with replacing(path) as new:\n  pass\nnew.write_text('')", [3]),
    ("open(path)", []),
  ],
)
def test_what_counts_as_writing_in_place(code: str, lines: list[int]) -> None:
  assert in_place(ast.parse(code)) == lines
