"""What `python -m llve_jax.prepare` does, as a function."""

import dataclasses
import functools
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing
from llve_jax.prepare import (
  beam_splitter,
  contact_sheet,
  scene_log,
  settings,
  static,
  turntable,
  workers,
)
from llve_jax.prepare.scene_log import SceneLog
from llve_jax.prepare.settings import Settings
from llve_jax.prepare.shoot import Scene, find_scenes

SHEET = "contact_sheet.html"
_SECTION = "contact_sheet.part"  # a scene's section of the page; not a page of its own
_SOURCES = "sources.json"

PREPARERS: dict[str, Callable[[Scene, Path, Path, Settings], SceneLog]] = {
  "turntable": turntable.prepare_scene,
  "beam_splitter": beam_splitter.prepare_scene,
  "static": static.prepare_scene,
}


@dataclasses.dataclass(frozen=True)
class Prepared:
  """What is in the output folder now."""

  out: Path
  scenes: int
  reused: int
  kept: int
  rejected: int
  seconds: float

  def __str__(self) -> str:
    reused = f" ({self.reused} from an earlier run)" if self.reused else ""
    return (
      f"{self.scenes} scenes{reused}: {self.kept} kept, {self.rejected} rejected, in "
      f"{self.seconds:.1f} s\nwrote {self.out / scene_log.FILE} and {self.out / SHEET}"
    )


def run(
  shoot: str | os.PathLike[str],
  out: str | os.PathLike[str],
  wanted: Settings | None = None,
  *,
  processes: int | None = None,
  overwrite: bool = False,
) -> Prepared:
  """Prepares every scene of a shoot; one that is complete already is left as it is.

  Args:
    shoot: folder of the scenes, or one scene.
    out: folder to write; created.
    wanted: how; default settings if None.
    processes: scenes done at once; None takes a core each.
    overwrite: do everything again, with these settings.

  Raises:
    UserError: anything a user can put right.
  """
  started = time.monotonic()
  shoot, out, wanted = Path(shoot), Path(out), wanted or Settings()
  wanted.check()
  if processes is not None and processes < 1:
    raise UserError(f"--processes={processes}: expected at least 1")
  if shoot.resolve() == out.resolve():
    raise UserError(f"{out}: is the shoot itself; give another --out")
  scenes = find_scenes(shoot, wanted.mode, out=out, on_error=wanted.on_error)
  if any(scene.folder.resolve() in out.resolve().parents for scene in scenes if len(scenes) > 1):
    raise UserError(f"{out}: lies in a scene of the shoot; give another --out")
  _claim(out, shoot, wanted, overwrite=overwrite)
  waiting = [scene for scene in scenes if not _is_complete(scene, out)]
  cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
  task = functools.partial(prepare_scene, shoot=shoot, out=out, wanted=wanted)
  results = workers.each(task, waiting, processes or cores or 1)
  for line in tqdm(results, total=len(waiting), unit=" scenes", disable=not sys.stderr.isatty()):
    tqdm.write(line, file=sys.stderr)
  records = [record for scene in scenes for record in scene_log.read(_part(scene, out))]
  sections = [(out / scene.name / _SECTION).read_text(encoding="utf-8") for scene in scenes]
  contact_sheet.write(out / SHEET, sections)
  scene_log.write(out / scene_log.FILE, records)
  kept = sum(record["status"] == "kept" for record in records)
  seconds = time.monotonic() - started
  reused = len(scenes) - len(waiting)
  return Prepared(out, len(scenes), reused, kept, len(records) - kept, seconds)


def prepare_scene(scene: Scene, shoot: Path, out: Path, wanted: Settings) -> str:
  """Prepares one scene: its folder appears in `out` when all of it is there. Returns a summary."""
  with replacing(out / scene.name) as folder:
    folder.mkdir()
    if scene.problem:
      log = SceneLog(scene.name)
      log.reject("clip", scene.folder.relative_to(shoot).as_posix(), scene.problem)
    else:
      log = PREPARERS[wanted.mode](scene, shoot, folder, wanted)
    kept = len(log.records) - len(log.rejected)
    if not kept:  # what was written before it failed
      for rest in folder.iterdir():
        shutil.rmtree(rest)
    section = contact_sheet.section(
      scene.name, [*log.sheet, contact_sheet.rejections(log.rejected)]
    )
    (folder / _SECTION).write_text(section, encoding="utf-8")
    (folder / _SOURCES).write_text(_fingerprint(scene), encoding="utf-8")
    scene_log.write(folder / scene_log.FILE, log.records)
  return f"{scene.name}: {kept} kept, {len(log.rejected)} rejected"


def _claim(out: Path, shoot: Path, wanted: Settings, *, overwrite: bool) -> None:
  """Makes `out` the output folder of this run.

  Raises:
    UserError: it holds something else, or the output of a run with other settings.
  """
  if out.exists() and not out.is_dir():
    raise UserError(f"{out}: expected a folder to write to, found a file")
  out.mkdir(parents=True, exist_ok=True)
  ours = (out / settings.FILE).is_file()
  if not ours and any(out.iterdir()):
    raise UserError(
      f"{out}: holds files that are not from this command (there is no {settings.FILE}); give a "
      "new or empty folder"
    )
  if ours and overwrite:
    for folder in _scene_folders(out):
      shutil.rmtree(folder)
    for name in (scene_log.FILE, SHEET):
      (out / name).unlink(missing_ok=True)
  elif ours and (changes := settings.differences(wanted, shoot, out)):
    raise UserError(
      f"{out}: was made with other settings ({'; '.join(changes)}); give another --out, or "
      "--overwrite to do it again with these"
    )
  settings.save(wanted, shoot, out)
  for folder in out.glob(".*.part*"):  # of a run that was killed
    if folder.is_dir():
      shutil.rmtree(folder)


def _scene_folders(out: Path) -> list[Path]:
  return [path.parent for path in out.glob(f"*/{scene_log.FILE}")]


def _part(scene: Scene, out: Path) -> Path:
  return out / scene.name / scene_log.FILE


def _is_complete(scene: Scene, out: Path) -> bool:
  """Whether it was prepared from the files that are there now."""
  sources = out / scene.name / _SOURCES
  if not _part(scene, out).is_file() or not sources.is_file():
    return False
  return sources.read_text(encoding="utf-8") == _fingerprint(scene)


def _fingerprint(scene: Scene) -> str:
  """Names, sizes and times of a scene's files."""
  files = []
  for path in (*scene.low, *scene.high):
    stat = path.stat()
    files.append([path.relative_to(scene.folder).as_posix(), stat.st_size, stat.st_mtime_ns])
  return json.dumps({"files": files, "problem": scene.problem})
