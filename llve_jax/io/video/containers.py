"""What each container can hold, and by which encoders it is written."""

import dataclasses
import functools
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from llve_jax.errors import UserError

OUTPUT_FORMATS = {
  ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi",
}  # fmt: skip
# Sound that players find in such a file; FFmpeg writes more that few can play, or that it refuses
# behind the last frame.
_COPIED = {
  "mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac", "mp2", "dts"},
  "mov": {"aac", "mp3", "ac3", "eac3", "alac", "amr_nb", "pcm_s16le", "pcm_s24le", "pcm_s16be"},
  "avi": {"aac", "mp3", "mp2", "ac3", "pcm_s16le", "pcm_u8", "wmav2", "wmav1"},
  "webm": {"opus", "vorbis"},
}
_ENCODED = {"webm": "libopus", "avi": "pcm_s16le"}  # AVI has no place for an encoder's warm-up
_TEXT = {"subrip", "text", "mov_text", "webvtt", "ass", "ssa"}
_MATROSKA_TEXT = {
  *("subrip", "ass", "ssa", "webvtt"),
  *("hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"),
}
_WRITTEN_TEXT = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
_ASIDE = {"major_brand", "minor_version", "compatible_brands", "encoder", "software", "duration"}


@dataclasses.dataclass(frozen=True)
class Pictures:
  """How pictures are stored.

  Attributes:
    encoder: FFmpeg's.
    pixels: its pixel format.
    name: what people call that.
  """

  encoder: str
  pixels: str
  name: str


def check_output_suffix(path: str | os.PathLike[str]) -> Path:
  """Returns the path.

  Raises:
    UserError: no container of `OUTPUT_FORMATS` has this suffix.
  """
  path = Path(path)
  if path.suffix.lower() not in OUTPUT_FORMATS:
    raise UserError(
      f"{path}: cannot write a video with the suffix {path.suffix!r}; use one of "
      f"{' '.join(OUTPUT_FORMATS)}"
    )
  return path


def format_of(path: Path) -> str:
  """FFmpeg's name of the container; raises as `check_output_suffix`."""
  return OUTPUT_FORMATS[check_output_suffix(path).suffix.lower()]


def pictures(path: Path, width: int, height: int, depth: int) -> Pictures:
  """How frames of that size are stored in that file.

  4:2:0 in H.264 cannot hold an odd side: such frames are stored as 4:4:4, at exactly their size.

  Raises:
    UserError: as `check_output_suffix`; depth is neither 8 nor 10; no encoder here writes 10 bits.
  """
  if depth not in (8, 10):
    raise UserError(f"{path}: a video has 8 or 10 bits a channel, --depth={depth} is none of them")
  deep = "10le" if depth == 10 else ""
  said = " of 10 bits" if deep else ""
  odd = width % 2 or height % 2
  if format_of(path) == "webm":
    # Not libsvtav1: run by root it makes threads of ours real-time ones, and all else stands still.
    known = {"libvpx-vp9": ("VP9", "yuv420p")}
  else:
    sampled = "yuv444p" if odd else "yuv420p"
    known = {"libx264": ("H.264", sampled), "libx265": ("H.265", sampled)}
  for encoder, (name, pixels) in known.items():
    if _opens(encoder, pixels + deep, width, height):
      return Pictures(encoder, pixels + deep, f"{name}{said}")
  raise UserError(
    f"{path}: none of the encoders that are installed here ({', '.join(known)}) takes "
    f"{width}x{height} frames of {depth} bits; try --depth=8, or another container"
  )


def copies_sound(container: str, codec: str) -> bool:
  """Whether players find sound of that codec in that container."""
  return container == "matroska" or codec in _COPIED[container]


def sound_encoder(container: str) -> str:
  """The encoder for sound that cannot be copied."""
  return _ENCODED.get(container, "aac")


def text_codec(container: str, codec: str) -> str | None:
  """The codec as which subtitles are written there; None: not at all."""
  written = _WRITTEN_TEXT.get(container)
  if container == "matroska" and codec not in ("mov_text", "text"):
    return codec if codec in _MATROSKA_TEXT else None
  return written if codec in _TEXT else None


def holds_languages(container: str) -> bool:
  """Whether tracks have a language, a title and a flag for the default."""
  return container != "avi"


def holds_chapters(container: str) -> bool:
  """Whether there are chapters."""
  return container != "avi"


def holds_attachments(container: str) -> bool:
  """Whether there are attachments: fonts and the like."""
  return container == "matroska"


def kept_metadata(metadata: dict[str, str]) -> dict[str, str]:
  """What is said of the film, less what is said of the file that it was in."""
  return {key: value for key, value in metadata.items() if key.lower() not in _ASIDE}


@functools.cache
def _opens(encoder: str, pixels: str, width: int, height: int) -> bool:
  """Whether an encoder is there and takes such frames; libraries are built without 10 bits, too."""
  try:
    context: Any = av.CodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt = width, height, pixels
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.open()
  except (av.FFmpegError, ValueError):
    return False
  return True
