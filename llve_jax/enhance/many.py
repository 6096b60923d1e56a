"""Several files at once: which they are, where each result goes, and what became of them.

A result appears only when all of it is there, so one that is newer than its source is finished: the
same command, typed again after a stop, goes on with the others.
"""

import concurrent.futures
import dataclasses
import glob
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llve_jax.enhance import command
from llve_jax.enhance.clips import is_clip
from llve_jax.errors import UserError
from llve_jax.io.images import PICTURE_SUFFIXES, WRITTEN_SUFFIXES
from llve_jax.io.video import VIDEO_SUFFIXES
from llve_jax.io.video.containers import OUTPUT_FORMATS
from llve_jax.io.visible import visible_files
from llve_jax.stopping import on_termination

_KNOWN = (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES)


@dataclasses.dataclass(frozen=True)
class Job:
  """One file to read and the one to write."""

  source: Path
  target: Path

  @property
  def finished(self) -> bool:
    """Whether the result is there, and newer than its source."""
    try:
      return self.target.stat().st_mtime >= self.source.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
      return False


def beside(source: Path) -> Path:
  """Where the result goes if nobody says: dark.mp4 becomes dark_bright.mp4."""
  return source.with_name(f"{source.stem}_bright{_written_suffix(source)}")


def plan(paths: Sequence[str]) -> list[Job] | Job:
  """What is asked for on the command line.

  `IN` alone goes beside the input, `IN OUT` to that file, and `FOLDER OUT.mp4` makes a film of what
  is in the folder: one `Job`. Everything else ends with a folder, which need not exist:
  `IN FOLDER/`, `IN IN ... FOLDER`, and for a folder of inputs too, whose folders inside are kept.
  What is neither picture nor video in a folder is passed over, and so is what is hidden.

  Raises:
    UserError: no input; one that is not there or of an unknown kind; the folder is a file; or two
      inputs would be written to one file.
  """
  if not paths:
    raise UserError("expected IN, IN OUT or IN ... FOLDER, found no path")
  if len(paths) == 1:
    source = Path(paths[0])
    if source.is_dir():
      raise UserError(f"{source}: is a folder of inputs; name the folder for the results too")
    return Job(source, beside(source))
  *inputs, last = paths
  target = Path(last)
  one = len(inputs) == 1 and not Path(inputs[0]).is_dir() and not _is_pattern(inputs[0])
  one = one or (len(inputs) == 1 and is_clip(inputs[0], target))
  if one and not (target.is_dir() or last.endswith(("/", os.sep))):
    return Job(Path(inputs[0]), target)
  if target.exists() and not target.is_dir():
    raise UserError(f"{target}: several inputs want a folder for their results, found a file")
  jobs: dict[Path, Job] = {}
  for given in inputs:
    for source, place in _found(given, target):
      job = Job(source, target / place.with_suffix(_written_suffix(source)))
      before = jobs.setdefault(job.target, job)
      if before.source.resolve() != source.resolve():
        raise UserError(
          f"{before.source} and {source} would both be written to {job.target}; rename one, or use "
          "two folders"
        )
  if not jobs:
    raise UserError(f"{' '.join(inputs)}: expected pictures or videos, found none of them")
  return list(jobs.values())


@dataclasses.dataclass
class Outcome:
  """What became of several files."""

  written: list[Path] = dataclasses.field(default_factory=list)
  finished: list[Path] = dataclasses.field(default_factory=list)
  failed: dict[Path, str] = dataclasses.field(default_factory=dict)

  def __str__(self) -> str:
    parts = [f"{len(self.written)} written"]
    if self.finished:
      parts.append(f"{len(self.finished)} were there (--overwrite does them again)")
    if self.failed:
      parts.append(f"{len(self.failed)} failed:")
    lines = [f"  {source}: {message}" for source, message in self.failed.items()]
    return "\n".join([", ".join(parts), *lines])


def run(
  jobs: Sequence[Job],
  options: Mapping[str, Any],
  *,
  at_once: int = 1,
  overwrite: bool = False,
  beam: str | None = None,
  say: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True),
) -> Outcome:
  """Enhances file by file; one that fails does not keep the others from being done.

  Args:
    jobs: what to read and write; folders of the results are made.
    options: keyword arguments of `command.run`.
    at_once: processes that each do one file at a time.
    overwrite: do finished ones again.
    beam: options of Apache Beam, which then deals the files out, see `on_beam.run`.
    say: is told what begins, and what became of it.

  Raises:
    UserError: a folder cannot be made, `at_once` is less than 1, or Beam is not installed.
  """
  if at_once < 1:
    raise UserError(f"--jobs={at_once}: expected at least 1")
  outcome = Outcome()
  waiting = []
  for job in jobs:
    if job.finished and not overwrite:
      outcome.finished.append(job.target)
    else:
      waiting.append(job)
  for folder in {job.target.parent for job in waiting}:
    try:
      folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
      raise UserError(f"{folder}: cannot be made ({error.strerror})") from error

  def note(job: Job, number: int, failed: str | None) -> None:
    if failed is None:
      outcome.written.append(job.target)
    else:
      outcome.failed[job.source] = failed
    say(f"[{number}/{len(waiting)}] {job.target if failed is None else f'failed: {job.source}'}")

  if beam is not None:
    from llve_jax.enhance import on_beam

    for number, (job, failed) in enumerate(on_beam.run(waiting, dict(options), beam), 1):
      note(job, number, failed)
    return outcome
  if at_once == 1 or len(waiting) < 2:
    for number, job in enumerate(waiting, 1):
      note(job, number, do(job, options))
    return outcome
  # Not forked: XLA's threads do not survive that.
  context = multiprocessing.get_context("spawn")
  pool = concurrent.futures.ProcessPoolExecutor(
    min(at_once, len(waiting)), mp_context=context, initializer=on_termination
  )
  try:
    running = {pool.submit(do, job, dict(options)): job for job in waiting}
    for number, done in enumerate(concurrent.futures.as_completed(running), 1):
      ended = done.exception()
      note(running[done], number, done.result() if ended is None else f"its process ended: {ended}")
  except KeyboardInterrupt:
    for child in multiprocessing.active_children():
      child.terminate()
    raise
  finally:
    pool.shutdown(wait=True, cancel_futures=True)
  return outcome


def do(job: Job, options: Mapping[str, Any]) -> str | None:
  """Does one file; returns what went wrong."""
  try:
    command.run(job.source, job.target, **options)
  except UserError as error:
    return str(error)
  except Exception as error:
    return f"{type(error).__name__}: {error}"  # a fault of ours; the others are done all the same
  return None


def _found(given: str, target: Path) -> list[tuple[Path, Path]]:
  """The files that an input stands for, each with its place in the folder of the results."""
  path = Path(given)
  if path.is_dir():
    if path.resolve() == target.resolve():
      raise UserError(f"{target}: is the folder of the inputs; write to another one")
    inside = target.resolve()
    return [
      (each, each.relative_to(path))
      for each in visible_files(path, _KNOWN, below=True)
      if inside not in each.resolve().parents
    ]
  if path.exists() or not _is_pattern(given):
    if not path.exists():
      raise UserError(f"{path}: expected a picture, a video or a folder, found no such file")
    if path.suffix.lower() not in _KNOWN:
      raise UserError(f"{path}: unknown suffix {path.suffix!r}; known: {' '.join(_KNOWN)}")
    return [(path, Path(path.name))]
  matching = [Path(each) for each in sorted(glob.glob(given, recursive=True))]
  kept = [each for each in matching if each.is_file() and each.suffix.lower() in _KNOWN]
  if not kept:
    raise UserError(f"{given}: expected pictures or videos of that pattern, found none")
  return [(each, Path(each.name)) for each in kept]


def _is_pattern(given: str) -> bool:
  return not Path(given).exists() and glob.has_magic(given)


def _written_suffix(source: Path) -> str:
  """The suffix of the result: the source's own, or one that can be written."""
  suffix = source.suffix.lower()
  if suffix in WRITTEN_SUFFIXES or suffix in OUTPUT_FORMATS:
    return source.suffix
  if suffix in VIDEO_SUFFIXES and suffix not in PICTURE_SUFFIXES:
    return ".mkv"
  return ".png" if suffix in PICTURE_SUFFIXES else source.suffix
