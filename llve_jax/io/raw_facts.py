"""How a raw file says that its picture was taken.

It is read from the EXIF tags where there are any, as LibRaw makes up a value for some of those that
say "unknown".
"""

import contextlib
import io
import logging
from pathlib import Path
from typing import Any

import exifread
import rawpy

_LARGEST_EXIF_ISO = 65535  # the tag has 16 bits; this value says "more than that"


def facts(path: Path, raw: rawpy.RawPy) -> tuple[float | None, float | None, str]:
  """Exposure in seconds, ISO, camera; None and "" are what the file does not say."""
  tags = read_tags(path)
  exposure = positive(tags, "ExposureTime")
  if exposure is None and not _known(tags, "ExposureTime"):
    exposure = raw.other.shutter_speed or None
  iso = positive(tags, "ISOSpeedRatings")
  if (iso is None and not _known(tags, "ISOSpeedRatings")) or iso == _LARGEST_EXIF_ISO:
    iso = raw.other.iso_speed or None
  make, model = (str(tags.get(f"Image {name}", "")).strip() for name in ("Make", "Model"))
  if not model:
    model = str(tags.get("Image Tag 0xC614", "")).strip()  # DNG: unique camera model
  return exposure, iso, model if model.lower().startswith(make.lower()) else f"{make} {model}"


def read_tags(path: Path) -> dict[str, Any]:
  """The EXIF tags of a raw file; none if there are none."""
  logging.getLogger("exifread").setLevel(logging.CRITICAL)  # no tags is no warning to the user
  with path.open("rb") as file:
    stream: Any = file
    if file.read(8) == b"FUJIFILM":  # tags are those of the JPEG preview, whose place stands here
      file.seek(84)
      start, length = (int.from_bytes(file.read(4), "big") for _ in range(2))
      file.seek(start)
      stream = io.BytesIO(file.read(length))
    try:
      return exifread.process_file(stream, details=False, extract_thumbnail=False)
    except Exception:  # a damaged tag is no reason to lose the pixels
      return {}


def _known(tags: dict[str, Any], name: str) -> bool:
  return any(f"{folder} {name}" in tags for folder in ("EXIF", "Image"))


def positive(tags: dict[str, Any], name: str) -> float | None:
  """The tag's number if it is above 0, which stands for unknown, as 0/0 does."""
  for folder in ("EXIF", "Image"):
    tag = tags.get(f"{folder} {name}")
    values = getattr(tag, "values", None)
    if values:
      with contextlib.suppress(ZeroDivisionError, TypeError, ValueError):
        value = float(values[0])
        if value > 0:
          return value
  return None
