"""A film from single files: a folder of pictures or raw stills, or mosaics in a NumPy file.

Networks for raw light get the light of raw stills and mosaics, amplified by one number over the
whole clip; other methods get pictures, raw stills as a camera develops them.
"""

import dataclasses
import itertools
import os
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from llve_jax.enhance.files import Enhanced
from llve_jax.enhance.overlap import ahead
from llve_jax.errors import UserError
from llve_jax.io.arrays import read_npy
from llve_jax.io.images import PICTURE_SUFFIXES, read_picture
from llve_jax.io.picture_tags import upright
from llve_jax.io.raw import RAW_SUFFIXES, RawFrame, read_raw
from llve_jax.io.video import VideoWriter
from llve_jax.io.video.containers import OUTPUT_FORMATS
from llve_jax.io.visible import visible_files
from llve_jax.methods.method import Frame, Method
from llve_jax.methods.raw_still import find_ratio, light_of


@dataclasses.dataclass(frozen=True)
class Mosaics:
  """What a NumPy file does not say of its numbers.

  Attributes:
    cfa: letters of the colours from the top left pixel, row by row: of 2x2 or 6x6.
    black: the number that is black.
    white: the number at which a pixel is full.
  """

  cfa: str = "RGGB"
  black: float = 0.0
  white: float = 65535.0


def is_clip(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> bool:
  """Whether a film is to be made of single files: of a folder, or of a .npy file."""
  source, target = Path(source), Path(target)
  to_video = target.suffix.lower() in OUTPUT_FORMATS and not target.is_dir()
  return source.suffix.lower() == ".npy" or (source.is_dir() and to_video)


def enhance_clip(
  source: str | os.PathLike[str],
  target: str | os.PathLike[str],
  method: Method,
  for_srgb: Callable[[Method, Frame], Method],
  *,
  rate: float,
  ratio: float | None,
  depth: int,
  mosaics: Mosaics,
  say: Callable[[str], None],
  progress: Callable[[Iterator[Frame]], Iterator[Frame]],
) -> Enhanced:
  """Writes a film of single files, in the order of their names.

  Args:
    source: a folder, or a .npy file, uint16 [t, h, w].
    target: a video.
    method: as it was loaded.
    for_srgb: makes it fit for pictures like the first one.
    rate: frames per second.
    ratio: amplification of raw light; None: what the first frame asks for, see `find_ratio`.
    depth: bits of a channel, 8 or 10.
    mosaics: of a .npy file.
    say: is told how light is amplified.
    progress: passes on the frames and may count them.

  Raises:
    UserError: there is nothing of that kind, a file cannot be read or is of another size, the
      method does not take what there is, or the target cannot be written.
  """
  started, count = time.monotonic(), 0
  if not rate > 0:
    raise UserError(f"--rate={rate:g}: expected frames per second, a number above 0")
  if method.takes == "srgb":
    pictures = _pictures(Path(source))
    first = next(pictures)
    frames: Iterator[Frame] = itertools.chain([first], pictures)
    method = for_srgb(method, first)
    turn = 1
  else:
    raws = _raws(Path(source), mosaics)
    raw = next(raws)
    ratio = find_ratio(raw) if ratio is None else ratio
    say(f"{source}: raw light ({method.takes}), amplified {ratio:.3g} times")
    frames = (light_of(each, method.takes, ratio) for each in itertools.chain([raw], raws))
    turn = raw.orientation
  read = ahead(_of_one_size(Path(source), frames))
  try:
    results = progress(method.stream(read, rounded=depth == 8))
    bright = upright(next(results), turn)
    height, width = bright.shape[:2]
    exact = Fraction(rate).limit_denominator(1001)
    with VideoWriter(target, width, height, rate=exact, depth=depth) as writer:
      writer.write(bright)
      count = 1
      for bright in results:
        writer.write(upright(bright, turn))
        count += 1
  finally:
    read.close()
  return Enhanced(Path(target), count, width, height, time.monotonic() - started)


def _files(folder: Path, suffixes: tuple[str, ...], what: str) -> list[Path]:
  if not folder.is_dir():
    raise UserError(f"{folder}: expected a folder of {what}, found none")
  files = visible_files(folder, suffixes)
  if not files:
    raise UserError(f"{folder}: expected {what} ({' '.join(suffixes[:8])} ...), found none there")
  return files


def _pictures(source: Path) -> Iterator[Frame]:
  if source.suffix.lower() == ".npy":
    raise UserError(
      f"{source}: holds mosaics, and this method takes pictures; take a network for raw light"
    )
  for path in _files(source, PICTURE_SUFFIXES, "pictures"):
    yield read_picture(path)


def _raws(source: Path, mosaics: Mosaics) -> Iterator[RawFrame]:
  if source.suffix.lower() != ".npy":
    for path in _files(source, RAW_SUFFIXES, "raw stills"):
      yield read_raw(path)
    return
  if len(mosaics.cfa) not in (4, 36) or set(mosaics.cfa) != set("RGB"):
    raise UserError(
      f"--cfa={mosaics.cfa}: expected 4 or 36 letters of R, G and B, such as RGGB, row by row"
    )
  frames = read_npy(source, dtype=np.uint16, shape=(None, None, None))
  if not len(frames):
    raise UserError(f"{source}: expected mosaics [t, h, w], found no frame")
  for frame in frames:
    levels = (mosaics.black,) * len(mosaics.cfa)
    yield RawFrame(source, np.asarray(frame), mosaics.cfa, levels, mosaics.white)


def _of_one_size(source: Path, frames: Iterator[Frame]) -> Iterator[Frame]:
  shape = None
  for index, frame in enumerate(frames):
    if shape not in (None, frame.shape):
      raise UserError(
        f"{source}: file {index} in the order of names is {frame.shape[1]}x{frame.shape[0]}, those "
        f"before it {shape[1]}x{shape[0]}; put films into folders of their own"
      )
    shape = frame.shape
    yield frame
