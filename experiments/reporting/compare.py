"""The page of a blind vote: two methods' results of one clip side by side, one file for a browser.

A person says of every two results which is better by each criterion of `votes`; names of methods
appear at the end. The page keeps votes in the browser and exports them as the CSV that `votes`
reads. Sides and order are drawn anew in every browser.
"""

import base64
import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.reporting import pictures, votes
from experiments.reporting.page import templates
from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing
from llve_jax.io.images import IMAGE_SUFFIXES, read_image
from llve_jax.io.run_folder import SETTINGS
from llve_jax.shapes import Frames8

_WIDTH, _QUALITY = 640, 92
_RATE = 15.0  # frames per second, where nobody says


@dataclasses.dataclass(frozen=True)
class Excerpt:
  """The middle frames of one clip by one method: uint8 [t, h, w, 3], and how fast they follow."""

  clip: str
  frames: Frames8
  fps: float


@dataclasses.dataclass(frozen=True)
class Source:
  """A method to compare: its name, and (number of frames) -> its clips' excerpts, one by one."""

  name: str
  excerpts: Callable[[int], Iterator[Excerpt]]


def open_sources(given: Sequence[str], *, split: str | None, data_dir: str | None) -> list[Source]:
  """Run folders or folders of images, each as DIR or NAME=DIR.

  Raises:
    UserError: fewer than two, two of one name, or a folder that is neither.
  """
  sources = []
  for entry in given:
    name, equals, place = entry.partition("=")
    folder = Path(place if equals else entry)
    sources.append(_open(name if equals else _name(folder), folder, split, data_dir))
  names = [source.name for source in sources]
  if len(names) < 2:
    raise UserError(f"--compare takes two or more, with commas between; found {len(names)}")
  if repeated := sorted({name for name in names if names.count(name) > 1}):
    raise UserError(f"--compare: several are called {', '.join(repeated)}; write NAME=DIR for each")
  return sources


def _name(folder: Path) -> str:
  parts = folder.absolute().parts
  # A sweep's runs are told apart by the folder above.
  return "/".join(parts[-2:]) if re.fullmatch(r"seed\d+", parts[-1]) else parts[-1]


def _open(name: str, folder: Path, split: str | None, data_dir: str | None) -> Source:
  if (folder / SETTINGS).is_file():
    return Source(name, _of_run(folder, split, data_dir))
  if folder.is_dir() and (clips := _images(folder)):
    return Source(name, lambda count: _of_images(clips, count))
  raise UserError(
    f"{folder}: expected a run folder (config.json) or a folder of images (CLIP/FRAME.png), found "
    "neither"
  )


def _of_run(
  folder: Path, split: str | None, data_dir: str | None
) -> Callable[[int], Iterator[Excerpt]]:
  # Folders of images need none of these, and they take seconds.
  from experiments.run import tested
  from llve_jax import methods
  from llve_jax.score.score import clip_key, taken_by

  method = methods.load(folder)
  config = tested.trained_config(str(folder))
  clips = tested.split_clips(tested.tested(config), split, data_dir, method.takes)

  def excerpts(count: int) -> Iterator[Excerpt]:
    for clip in clips():
      # All frames, since a network may remember those before.
      frames = method(taken_by(method, clip))
      yield Excerpt(clip_key(clip), _middle(frames, count), clip.fps or _RATE)

  return excerpts


def _images(folder: Path) -> dict[str, list[Path]]:
  """Clip -> its frames in order; each image directly in the folder is a clip of one frame."""
  found: dict[str, list[Path]] = {}
  for path in sorted(folder.rglob("*")):
    if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
      inside = path.relative_to(folder)
      clip = inside.parent.as_posix() if inside.parent.parts else inside.stem
      found.setdefault(clip, []).append(path)
  return {clip: sorted(paths, key=_numbers) for clip, paths in found.items()}


def _numbers(path: Path) -> tuple[list[int], str]:
  """Sorts frame2 before frame10."""
  return [int(number) for number in re.findall(r"\d+", path.stem)], path.stem


def _of_images(clips: dict[str, list[Path]], count: int) -> Iterator[Excerpt]:
  for clip, paths in clips.items():
    yield Excerpt(clip, np.stack([read_image(path) for path in _middle(paths, count)]), _RATE)


def _middle(sequence: Any, count: int) -> Any:
  """At most `count` entries about the middle."""
  start = max(0, (len(sequence) - count) // 2)
  return sequence[start : start + count]


def write(sources: Sequence[Source], out: Path, *, clips: int, frames: int) -> Path:
  """Writes compare.html into `out`, an existing folder.

  Args:
    sources: two or more; every two of them are compared on every clip that all have.
    out: for the page.
    clips: at most that many, spread evenly over those there are.
    frames: of each clip, those in its middle.

  Raises:
    UserError: no clip that all sources have, or results of one clip that differ in size.
  """
  excerpts = [{each.clip: each for each in source.excerpts(frames)} for source in sources]
  common = [clip for clip in excerpts[0] if all(clip in each for each in excerpts)]
  if not common:
    found = "; ".join(
      f"{source.name}: {', '.join(list(each)[:5]) or 'none'}"
      for source, each in zip(sources, excerpts, strict=True)
    )
    raise UserError(f"--compare: no clip that all have; their clips are {found}")
  spread = np.linspace(0, len(common) - 1, min(clips, len(common))).round().astype(int)
  chosen = [common[index] for index in spread]
  for clip in chosen:
    shapes = {
      source.name: each[clip].frames.shape for source, each in zip(sources, excerpts, strict=True)
    }
    if len(set(shapes.values())) > 1:
      told = ", ".join(f"{name}: {shape}" for name, shape in shapes.items())
      raise UserError(f"--compare: results of clip {clip} differ in size or length: {told}")
  page = content([source.name for source in sources], excerpts, chosen)
  path = out / "compare.html"
  with replacing(path) as temporary:
    text = templates().get_template("compare.html.j2").render(content=page)
    temporary.write_text(text, encoding="utf-8")
  return path


def content(
  names: Sequence[str], excerpts: Sequence[Mapping[str, Excerpt]], clips: Sequence[str]
) -> dict[str, Any]:
  """What the page's program works on.

  Returns:
    "study", a hash of everything shown; "methods", their names in base64, so that a glance at the
    source does not tell; "clips", with frames per second and "frames": method index -> data URIs;
    "pairs": id, clip index and two method indices; and what both sides of the vote share:
    "criteria", "columns" of the CSV, "z" of Wilson's interval.
  """
  shown: list[dict[str, Any]] = [
    {
      "name": clip,
      "fps": excerpts[0][clip].fps,
      "frames": [
        [pictures.embed(frame, width=_WIDTH, quality=_QUALITY).uri for frame in each[clip].frames]
        for each in excerpts
      ],
    }
    for clip in clips
  ]
  couples = itertools.combinations(range(len(names)), 2)
  both = [(clip, pair) for pair in couples for clip in range(len(clips))]
  several = any(len(each["frames"][0]) > 1 for each in shown)
  page = {
    "methods": [base64.b64encode(name.encode()).decode() for name in names],
    "clips": shown,
    "pairs": [
      {"id": f"p{number:03d}", "clip": clip, "methods": pair}
      for number, (clip, pair) in enumerate(both, 1)
    ],
    # A single frame says nothing of steadiness.
    "criteria": [name for name in votes.CRITERIA if several or name != "steadiness"],
    "columns": votes.COLUMNS,
    "z": votes.Z95,
  }
  digest = hashlib.sha256(json.dumps(page, sort_keys=True).encode()).hexdigest()
  return {"study": digest[:12], **page}
