"""What one may choose about an export, beside its format."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from llve_jax.errors import UserError
from llve_jax.io.video import read_frames
from llve_jax.models.contract import Traits
from llve_jax.shapes import Frames8

PRECISIONS = ("float32", "float16", "int8")
LAYOUTS = ("clip", "nchw")
_LONGEST = 16  # frames of a video that are read


@dataclasses.dataclass(frozen=True)
class Options:
  """What one may choose.

  Attributes:
    size: (height, width) of the network's input, for formats of fixed size.
    frames: length of the clips, for formats of fixed size; None: the shortest that shows all that
      an output frame depends on.
    precision: one of `PRECISIONS`, for formats that have a choice.
    video: real frames: int8 is calibrated by them, and any export compared on them.
    layout: one of `LAYOUTS`: of ONNX, clips or the planes that players take.
    warm_up: (height, width) of the requests that a SavedModel brings for its server to begin with.
  """

  size: tuple[int, int] | None = None
  frames: int | None = None
  precision: str = "float32"
  video: str | None = None
  layout: str = "clip"
  warm_up: tuple[int, int] | None = None


# Which formats know an option at all.
_OF = {
  "size": ("litert", "onnx"),
  "frames": ("litert", "onnx"),
  "precision": ("litert",),
  "layout": ("onnx",),
  "warm_up": ("saved_model",),
}


def only_for(options: Options, format: str, formats: Sequence[str]) -> Options:
  """Of the options of several formats those of one; what none of them knows stays, to be refused.

  Args:
    options: of all.
    format: one of them.
    formats: all of them.
  """
  others = {
    field: getattr(Options(), field)
    for field, known in _OF.items()
    if format not in known and set(known) & set(formats)
  }
  return dataclasses.replace(options, **others)


def parse_size(text: str | None, flag: str = "size") -> tuple[int, int] | None:
  """WIDTHxHEIGHT as (height, width); the flag is named where it is something else.

  Raises:
    UserError: anything else.
  """
  if text is None:
    return None
  match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
  if match is None:
    raise UserError(f"--{flag}={text}: expected WIDTHxHEIGHT in pixels, as 640x360")
  return int(match[2]), int(match[1])


def check_choices(options: Options, format: str) -> None:
  """Whether what is asked for is something that the format has at all.

  Raises:
    UserError: a layout or a warm-up that it has not.
  """
  if options.layout not in LAYOUTS:
    raise UserError(f"--layout={options.layout}: expected one of {', '.join(LAYOUTS)}")
  for flag, asked, only in (
    (f"--layout={options.layout}", options.layout != LAYOUTS[0], "onnx"),
    ("--warm_up", options.warm_up is not None, "saved_model"),
  ):
    if asked and format != only:
      raise UserError(f"{flag} is of --format={only} alone; leave it out for --format={format}")


def check_open(options: Options, format: str, traits: Traits) -> Frames8 | None:
  """For formats of open sizes in float32: the frames of the video, as `real_frames`.

  Raises:
    UserError: a size or a precision is asked for, or the video does not do.
  """
  if options.size is not None or options.frames is not None:
    raise UserError(f"--format={format} takes frames of any size; leave --size and --frames out")
  if options.precision != "float32":
    raise UserError(
      f"--format={format} is written in float32; leave --precision={options.precision} out, or "
      "choose --format=litert"
    )
  return real_frames(options, traits, None, traits.least_frames)


def check_fixed(options: Options, format: str, traits: Traits) -> tuple[int, int, int]:
  """For formats of fixed size: (frames, height, width).

  Raises:
    UserError: no size, one that the network does not take, or int8 without a video.
  """
  if options.size is None:
    raise UserError(f"--format={format} has a fixed size; pass --size=WIDTHxHEIGHT, as 640x360")
  least = traits.least_side
  if min(options.size) < least:
    raise UserError(
      f"--size={options.size[1]}x{options.size[0]}: this network takes sides of {least} pixels at "
      "least"
    )
  frames = window(options, traits)
  if options.precision not in PRECISIONS:
    raise UserError(f"--precision={options.precision}: expected one of {', '.join(PRECISIONS)}")
  if options.precision == "int8" and options.video is None:
    raise UserError(
      "--precision=int8 is calibrated by real frames; pass --calibrate=VIDEO, a dark clip"
    )
  return frames, *options.size


def window(options: Options, traits: Traits) -> int:
  """Frames of a clip of fixed length: as asked for, or as many as the network looks at.

  Raises:
    UserError: fewer than the network takes, or several for one that takes them one by one.
  """
  if traits.streaming and options.layout != "nchw" and options.frames not in (None, 1):
    raise UserError(
      f"--frames={options.frames}: this network takes a frame at a time and hands on what it "
      "remembers; leave --frames out"
    )
  shortest = traits.least_frames
  default = 1 if traits.streaming else max(shortest, traits.frames)
  frames = default if options.frames is None else options.frames
  if frames < shortest:
    raise UserError(f"--frames={frames}: this network takes clips of {shortest} frames at least")
  return frames


def real_frames(
  options: Options, traits: Traits, size: tuple[int, int] | None, least: int
) -> Frames8 | None:
  """Frames of the video, if there is one, at most 16, 8-bit sRGB.

  Args:
    options: names the video.
    traits: of the network.
    size: height and width that they are scaled to; None: as they are, but 320 pixels at most.
    least: how many there have to be.

  Raises:
    UserError: no such file, no video, too short, or the network takes no sRGB.
  """
  if options.video is None:
    return None
  path = Path(options.video)
  if traits.input_kind != "srgb":
    raise UserError(
      f"--calibrate={path}: this network takes {traits.input_kind} clips, which no video holds; "
      "leave --calibrate out"
    )
  if not path.is_file():
    raise UserError(f"--calibrate={path}: no such file; expected a dark video")
  found: list[np.ndarray] = []
  for frame in read_frames(path):
    image = np.asarray(frame.image)
    height, width = size or _fitted(image.shape[0], image.shape[1], traits.least_side)
    if image.shape[:2] != (height, width):
      image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    found.append(image)
    if len(found) == _LONGEST:
      break
  if len(found) < least:
    raise UserError(
      f"--calibrate={path}: expected {least} frames at least, found {len(found)}; take a longer one"
    )
  return np.stack(found)


def _fitted(height: int, width: int, least: int) -> tuple[int, int]:
  factor = min(1.0, 320 / max(height, width))
  return max(least, round(height * factor)), max(least, round(width * factor))
