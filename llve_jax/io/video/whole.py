"""Whether a video file is whole: what its container promises against what is there."""

from pathlib import Path
from typing import Any

import av

from llve_jax.io.video.rational import fraction

MP4, MATROSKA, AVI = "mp4", "matroska", "avi"
_MP4_BOXES = {
  *(b"ftyp", b"moov", b"mdat", b"moof", b"free"),
  *(b"skip", b"wide", b"uuid", b"meta", b"udta"),
}


def family(container: Any) -> str:
  """`MP4`, `MATROSKA`, `AVI`, or nothing for others."""
  names = container.format.name.split(",")
  return next((name for name in (MP4, MATROSKA, AVI) if name in names), "")


def indexed_frames(path: Path, stream: Any) -> tuple[int, int]:
  """(frames whose bytes are in the file, frames in its index); zeros without a full index."""
  if family(stream.container) != MP4 or stream.frames != len(stream.index_entries):
    return 0, 0
  size = path.stat().st_size
  shown = [entry.pos + entry.size for entry in stream.index_entries if not entry.is_discard]
  return sum(end <= size for end in shown), len(shown)


def missing_bytes(path: Path) -> int:
  """Bytes that the top-level boxes of an MP4 announce beyond the end of the file.

  0 for other files. ISO/IEC 14496-12, section 4.2: size, type, then for size 1 a 64-bit size; size
  0 means up to the end.
  """
  size, position = path.stat().st_size, 0
  with path.open("rb") as file:
    while position + 8 <= size:
      file.seek(position)
      header = file.read(16)
      length = int.from_bytes(header[:4], "big")
      if header[4:8] not in _MP4_BOXES:
        break
      length = int.from_bytes(header[8:16], "big") if length == 1 else length
      if length < 8:
        break
      position += length
  return max(0, position - size)


def promised_end(container: Any, stream: Any) -> float:
  """Seconds until which the header of the file promises data; 0 where it does not.

  An MP4 has an index instead; streams for broadcasting promise nothing.
  """
  if family(container) == AVI:
    return float(stream.frames * (fraction(stream.time_base) or 0))
  return (container.duration or 0) / av.time_base if family(container) == MATROSKA else 0.0
