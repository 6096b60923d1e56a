"""The clips of a data set that `tfds build` made, each to a file: `--builder=NAME[/CONFIG]`.

Networks for raw light get what the data set holds of it, exposed by the ratio that it notes; other
methods get the frames as a person would see them.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from llve_jax.data.clips import DarkClip, dark_clips
from llve_jax.data.source import open_split
from llve_jax.enhance.files import Enhanced
from llve_jax.enhance.many import Outcome
from llve_jax.enhance.options import Options
from llve_jax.enhance.overlap import ahead
from llve_jax.errors import UserError
from llve_jax.io.images import write_image
from llve_jax.io.video import VideoWriter
from llve_jax.methods.method import Frame, Method
from llve_jax.ops.frames import to_16_bit

_NO_USE = ("dry_run", "preview", "report", "side_by_side", "ratio", "part")


def enhance_split(
  builder: str,
  split: str,
  data_dir: str | None,
  folder: str | os.PathLike[str],
  options: Options,
  *,
  overwrite: bool = False,
  say: Callable[[str], None],
) -> Outcome:
  """Writes each clip of a split as a film, or a picture if it is a single frame.

  What is there already is passed over; a clip that fails keeps no other from being done.

  Args:
    builder: NAME or NAME/CONFIG of a data set.
    split: which of its splits.
    data_dir: where TFDS keeps data sets, see `open_split`.
    folder: for CLIP.mp4 or CLIP.png, CLIP_1.mp4 for a second darkness of a clip.
    options: how; see `_NO_USE` for those that mean nothing here.
    overwrite: does clips again that are there.
    say: is told what becomes of each.

  Raises:
    UserError: the data set is not built, has no such split, cannot give what the method takes, or
      an option means nothing here.
  """
  for name in _NO_USE:
    if getattr(options, name):
      raise UserError(
        f"--{name}: is for a file, and --builder={builder} is a data set; leave it out"
      )
  name, _, config = builder.partition("/")
  source = open_split(name, split, config=config or None, data_dir=data_dir)
  method = options.load(batch=options.batch)
  outcome, folder = Outcome(), Path(folder)
  clips = list(dark_clips(source, method.takes))
  for number, clip in enumerate(clips, 1):
    place = _inside(folder, clip)
    done = [path for path in _targets(place) if path.exists()]
    if done and not overwrite:
      outcome.finished.append(done[0])
      continue
    try:
      place.parent.mkdir(parents=True, exist_ok=True)
      written = _enhance(clip, place, method, options)
    except UserError as error:
      outcome.failed[Path(clip.name)] = str(error)
      say(f"[{number}/{len(clips)}] failed: {clip.name}")
    except OSError as error:
      raise UserError(f"{place.parent}: cannot be written to ({error.strerror})") from error
    else:
      outcome.written.append(written.path)
      say(f"[{number}/{len(clips)}] {written.path}: {written.frames} frames")
  return outcome


def _enhance(clip: DarkClip, place: Path, method: Method, options: Options) -> Enhanced:
  started = time.monotonic()
  read = ahead(clip.frames())
  film, picture = _targets(place)
  try:
    first, second = next(read), next(read, None)
    frames: Iterator[Frame] = itertools.chain([first] if second is None else [first, second], read)
    if method.takes == "srgb":
      method = options.adjusted(method, lambda: [[first]], stabilise=options.stabilise)
    options.tell(method, *first.shape[:2])
    depth = options.depth or 8
    results = options.counted(method.stream(frames, rounded=depth == 8), None)
    bright = next(results)
    height, width = bright.shape[:2]
    count = 1
    if second is None:
      write_image(picture, bright if depth == 8 else to_16_bit(np.asarray(bright)))
    else:
      rate = Fraction(clip.fps or options.rate).limit_denominator(1001)
      with VideoWriter(film, width, height, rate=rate, depth=depth) as writer:
        writer.write(bright)
        for count, bright in enumerate(results, 2):  # noqa: B007
          writer.write(bright)
  finally:
    read.close()
  path = picture if second is None else film
  return Enhanced(path, count, width, height, time.monotonic() - started)


def _inside(folder: Path, clip: DarkClip) -> Path:
  """Where the result goes, without a suffix."""
  name = clip.name if not clip.variant else f"{clip.name}_{clip.variant}"
  place = folder / name
  if folder.resolve() not in place.resolve().parents:
    raise UserError(f"{clip.name!r}: the name of this clip leads out of {folder}; build it again")
  return place


def _targets(place: Path) -> tuple[Path, Path]:
  """The film, and the picture of a clip of one frame."""
  return place.with_name(f"{place.name}.mp4"), place.with_name(f"{place.name}.png")
