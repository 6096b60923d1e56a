"""From the clips of a scan to the examples of a data set, in this process or on Beam's workers.

Here and not in the builders' own modules, since Beam's workers import what they run by its name.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from etils import epath

from llve_jax.errors import UserError
from tfds_builders.base.scan import Clip, Problem

Example = dict[str, Any]
Read = Callable[[Clip], Iterator[Example]]

MANIFEST = "manifest.jsonl"
_NOTES = "skipped"
_LONGEST_CLIP = 10**6  # frames; keys of two clips cannot meet


def examples(
  numbered: tuple[int, Clip], *, read: Read, skip: bool, folder: str
) -> Iterator[tuple[int, Example]]:
  """Reads one clip.

  Args:
    numbered: the clip and its place in the split.
    read: yields the examples of a clip; their "start" grows.
    skip: what cannot be read is noted and left out, with the rest of its clip, so that what is kept
      of a clip has no gap.
    folder: where notes go: the data set that is being built.

  Raises:
    UserError: what cannot be read, unless `skip`.
  """
  number, clip = numbered
  try:
    for example in read(clip):
      yield number * _LONGEST_CLIP + example["start"], example
  except UserError as error:
    if not skip:
      raise
    note(folder, {"clip": clip.name, "status": "skipped", "reason": str(error)})


def note(folder: str, line: dict[str, Any]) -> None:
  """Puts one line aside for the manifest; workers on other machines may do so, too."""
  notes = epath.Path(folder) / _NOTES
  notes.mkdir(parents=True, exist_ok=True)
  text = json.dumps(line, sort_keys=True)
  (notes / hashlib.sha256(text.encode()).hexdigest()[:24]).write_text(text)


def note_problems(folder: str, problems: Iterable[Problem]) -> None:
  """Puts what a scan found aside for the manifest."""
  for problem in problems:
    status = "skipped" if problem.fatal else "ignored"
    note(folder, {"path": str(problem.path), "status": status, "reason": str(problem)})


def write_manifest(folder: str, facts: dict[str, Any]) -> int:
  """Gathers the notes: facts of the build first, then a line for everything left out.

  Returns:
    How many lines say "skipped".
  """
  notes = epath.Path(folder) / _NOTES
  lines = sorted(path.read_text() for path in notes.iterdir()) if notes.exists() else []
  head = json.dumps({"status": "built", **facts}, sort_keys=True)
  (epath.Path(folder) / MANIFEST).write_text("\n".join([head, *lines]) + "\n")
  if notes.exists():
    notes.rmtree()
  return sum(json.loads(line)["status"] == "skipped" for line in lines)


def segments(count: int, length: int) -> Iterator[slice]:
  """Cuts `count` frames into runs of `length`; the last one may be shorter."""
  return (slice(start, min(start + length, count)) for start in range(0, count, length))


def check_counts(clip: Clip, low: int, high: int, where: Path | str) -> None:
  """Refuses a clip whose target has another number of frames, unless it is one for all.

  Raises:
    UserError: the counts differ.
  """
  if high not in (0, 1, low):
    raise UserError(
      f"{where}: {clip.name} has {low} dark and {high} bright frames; expected as many, or "
      "one bright frame that is the target of all"
    )
