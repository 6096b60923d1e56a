"""Looks at the pixels of a scan's clips: what cannot be read, does not fit, or leaks.

A sample of the clips is looked at, spread evenly, the first frame of each, so that a large data set
takes seconds.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

from llve_jax.errors import UserError
from llve_jax.ops.warp import phase_correlate
from tfds_builders.base.preview import Look, Preview, look, preview
from tfds_builders.base.scan import Clip, Problem, Scan

LARGEST_SHIFT = 1.0  # pixels of the dark frame
LEAST_CORRELATION = 0.5
_BRIGHTER = 1.05  # times as bright as its counterpart, a dark frame is called exchanged
_SIDE = 512  # longer sides are shrunk for registration
_FINGERPRINT = 32  # side of the picture by which copies are found
_SAME = 0.985  # correlation of fingerprints from which pictures are called the same

Work = tuple[str, Clip]  # split, clip


@dataclasses.dataclass(frozen=True)
class Registration:
  """How well the first frames of a clip fit.

  Attributes:
    correlation: of the equalised pictures after the shift, both blurred a little; 1 is a copy.
    shift: (dx, dy) that brings the bright frame onto the dark one, in pixels of the dark one.
  """

  correlation: float
  shift: tuple[float, float]


@dataclasses.dataclass
class Inspection:
  """What was looked at and found.

  Attributes:
    looked_at: (clips, of how many) by split.
    registrations: of every pair that was looked at, by split and name.
    problems: everything found.
  """

  looked_at: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
  registrations: dict[tuple[str, str], Registration] = dataclasses.field(default_factory=dict)
  problems: list[Problem] = dataclasses.field(default_factory=list)


def inspect(
  scan: Scan,
  *,
  sample: int | None = 500,
  against: Iterable[Path] = (),
  progress: Callable[[Iterator[Work], int], Iterable[Work]] | None = None,
) -> Inspection:
  """Reads the first frames of the clips of every split.

  Args:
    scan: clips by split.
    sample: clips per split that are looked at; None is all.
    against: images of other data sets; a clip that shows the same as one of them is a leak.
    progress: passes the work on and shows how far it is.
  """
  found = Inspection()
  marks: dict[str, list[tuple[Path, np.ndarray]]] = {}
  light: dict[str, list[tuple[Clip, float, float]]] = {}
  work: list[Work] = []
  for split, clips in scan.clips.items():
    kept = _spread(clips, sample)
    found.looked_at[split] = (len(kept), len(clips))
    work += [(split, clip) for clip in kept]
    marks[split] = []
  queue = iter(work)
  for split, clip in progress(queue, len(work)) if progress else queue:
    pictures = _read(clip, found)
    if pictures is None:
      continue
    dark, bright = pictures
    if dark is not None and bright is not None:
      if dark.kind == bright.kind:
        light.setdefault(split, []).append((clip, dark.brightness, bright.brightness))
      if dark.kind == bright.kind and dark.preview.shape != bright.preview.shape:
        found.problems.append(_unequal(clip, dark.preview, bright.preview))
      else:
        _register(split, clip, dark.preview, bright.preview, found)
    # The target shows a scene without noise; where there is none, the dark frame has to do.
    path, picture = (clip.high[0], bright) if bright is not None else (clip.low[0], dark)
    if picture is not None:
      marks[split].append((path, fingerprint(picture.preview)))
  for split, pairs in light.items():
    found.problems += _exchanged(split, pairs)
  for one, other in itertools.combinations(marks, 2):
    # Unpaired sets: the same scene in the dark and the bright split is no leak.
    if {one, other} not in ({"train_low", "train_high"}, {"test_low", "test_high"}):
      _report_same(marks[one], marks[other], f"the split {other}", found)
  elsewhere = [(path, fingerprint(preview(path))) for path in against]
  for split, mine in marks.items():
    _report_same(mine, elsewhere, f"the other data set (this one is in {split})", found)
  return found


def register(dark: Preview, bright: Preview) -> Registration:
  """Finds the shift between two equalised pictures, and how alike they are after it."""
  size = (dark.shape[1], dark.shape[0])
  if bright.shape != dark.shape:
    bright = np.asarray(cv2.resize(bright, size, interpolation=cv2.INTER_AREA))
  factor = max(1.0, max(size) / _SIDE)
  small = (max(1, round(size[0] / factor)), max(1, round(size[1] / factor)))
  one, other = (
    cv2.GaussianBlur(
      cv2.resize(picture, small, interpolation=cv2.INTER_AREA).astype(np.float32), (0, 0), 1.5
    )
    for picture in (dark, bright)
  )
  (dx, dy), _ = phase_correlate(one, other, limit=max(small) / 8)
  moved = cv2.warpAffine(
    other,
    np.array([[1, 0, dx], [0, 1, dy]]),
    small,
    flags=cv2.INTER_LINEAR,
    borderMode=cv2.BORDER_REPLICATE,
  )
  return Registration(_correlation(one, moved), (dx * factor, dy * factor))


def fingerprint(picture: Preview) -> Float[np.ndarray, "n"]:
  """A small picture with mean 0 and norm 1: the product of two is their correlation."""
  small = cv2.resize(
    picture.astype(np.float32), (_FINGERPRINT, _FINGERPRINT), interpolation=cv2.INTER_AREA
  ).ravel()
  small -= small.mean()
  norm = float(np.linalg.norm(small))
  return np.asarray(small / norm if norm > 0 else small)


def _read(clip: Clip, found: Inspection) -> tuple[Look | None, Look | None] | None:
  pictures: list[Look | None] = []
  for paths in (clip.low, clip.high):
    try:
      pictures.append(look(paths[0]) if paths else None)
    except UserError as error:
      message = str(error).removeprefix(f"{paths[0]}: ")
      found.problems.append(Problem("unreadable", paths[0], message))
      return None
  return pictures[0], pictures[1]


def _unequal(clip: Clip, dark: Preview, bright: Preview) -> Problem:
  mine, other = (f"{picture.shape[1]}x{picture.shape[0]}" for picture in (dark, bright))
  message = f"is {mine}, {clip.high[0]} is {other}; resize or crop one of them, or remove both"
  return Problem("unequal", clip.low[0], message)


def _exchanged(split: str, pairs: list[tuple[Clip, float, float]]) -> list[Problem]:
  """Dark frames brighter than their bright ones; one problem if that is most of a split."""
  wrong = [pair for pair in pairs if pair[1] > _BRIGHTER * pair[2]]
  if 2 * len(wrong) > len(pairs) > 1:
    folder = wrong[0][0].low[0].parent
    message = (
      f"in {len(wrong)} of {len(pairs)} pairs of the split {split} the dark picture is the "
      f"brighter one; exchange it with {wrong[0][0].high[0].parent}"
    )
    return [Problem("exchanged", folder, message, fatal=False)]
  return [
    Problem(
      "exchanged",
      clip.low[0],
      f"is brighter ({dark:.1f}) than {clip.high[0]} ({bright:.1f}); exchange them",
      fatal=False,
    )
    for clip, dark, bright in wrong
  ]


def _register(split: str, clip: Clip, dark: Preview, bright: Preview, found: Inspection) -> None:
  result = register(dark, bright)
  found.registrations[split, clip.name] = result
  reach = float(np.hypot(*result.shift))
  if result.correlation < LEAST_CORRELATION:
    message = (
      f"correlates by {result.correlation:.2f} with {clip.high[0].name}: is it the same scene?"
    )
  elif reach > LARGEST_SHIFT:
    dx, dy = result.shift
    message = f"{clip.high[0].name} is shifted by ({dx:+.1f}, {dy:+.1f}) pixels against it"
  else:
    return
  found.problems.append(Problem("misregistered", clip.low[0], message, fatal=False))


def _report_same(
  mine: list[tuple[Path, np.ndarray]],
  others: list[tuple[Path, np.ndarray]],
  where: str,
  found: Inspection,
) -> None:
  if not mine or not others:
    return
  alike = np.stack([mark for _, mark in mine]) @ np.stack([mark for _, mark in others]).T
  for row, column in np.argwhere(alike > _SAME):
    message = f"shows the same as {others[column][0]} of {where} ({alike[row, column]:.3f})"
    found.problems.append(Problem("leak", mine[row][0], message, fatal=False))


def _spread(clips: list[Clip], sample: int | None) -> list[Clip]:
  if sample is None or len(clips) <= sample:
    return clips
  return [clips[place * len(clips) // sample] for place in range(sample)]


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
  one, other = one - one.mean(), other - other.mean()
  norm = float(np.sqrt((one * one).sum() * (other * other).sum()))
  return float((one * other).sum()) / norm if norm > 0 else 0.0
