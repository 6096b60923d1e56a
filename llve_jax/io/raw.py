"""Camera raw files as mosaics, and their rendering as sRGB.

LibRaw (through rawpy) decodes pixels, layout and levels; `raw_facts` says how it was taken.
"""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rawpy
from jaxtyping import UInt8, UInt16

from llve_jax.errors import UserError
from llve_jax.io.raw_facts import facts
from llve_jax.ops import mosaic as mosaics

RAW_SUFFIXES = (
  *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc"),
  *(".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2"),
  *(".srf", ".srw"),
)
Sensor = Literal["bayer", "xtrans"]
_SENSOR_NAMES = {"bayer": "a Bayer mosaic", "xtrans": "an X-Trans mosaic"}
_ORIENTATIONS = {3: 3, 5: 8, 6: 6}  # by LibRaw's number for a turn
_SMALLEST_XTRANS = 512  # LibRaw calls smaller ones damaged


@dataclasses.dataclass(frozen=True, eq=False)
class RawHeader:
  """What a raw file says about its picture; None is what it does not say.

  Attributes:
    path: the file.
    height: rows of the visible area.
    width: columns of the visible area.
    exposure_time: seconds.
    iso: sensitivity.
    camera: make and model, "" if unknown.
  """

  path: Path
  height: int
  width: int
  exposure_time: float | None
  iso: float | None
  camera: str


@dataclasses.dataclass(frozen=True, eq=False)
class RawFrame:
  """One mosaic with all that is needed to interpret it; None is what the file does not say.

  Attributes:
    path: the file.
    mosaic: the sensor's numbers, visible area only, not rotated.
    cfa: letters of the layout from the top left visible pixel, as in `llve_jax.ops.mosaic`.
    black: black level per letter of `cfa`.
    white: the number at which a pixel is full.
    exposure_time: seconds.
    iso: sensitivity.
    camera: make and model, "" if unknown.
    camera_white_balance: gains on red, green and blue as the camera set them, green is 1.
    orientation: as EXIF's, what turns the mosaic's picture upright.
  """

  path: Path
  mosaic: UInt16[np.ndarray, "h w"]
  cfa: str
  black: tuple[float, ...]
  white: float
  exposure_time: float | None = None
  iso: float | None = None
  camera: str = ""
  camera_white_balance: tuple[float, float, float] | None = None
  orientation: int = 1


def read_raw(path: str | os.PathLike[str], *, sensor: Sensor | None = None) -> RawFrame:
  """Reads the mosaic of a raw file.

  X-Trans sensors are taken to have one black level for all pixels, as LibRaw knows only one.

  Args:
    path: any format that LibRaw knows.
    sensor: refuse any other kind of mosaic.

  Raises:
    UserError: no such file, empty, cut off, no raw file, no mosaic, or not the wanted `sensor`.
  """
  path = Path(path)
  with _opened(path) as raw:
    cfa, indices = _layout(path, raw)
    found = "bayer" if len(cfa) == 4 else "xtrans"
    if sensor is not None and sensor != found:
      raise UserError(
        f"{path}: expected {_SENSOR_NAMES[sensor]}, found {_SENSOR_NAMES[found]} ({cfa})"
      )
    levels = raw.black_level_per_channel
    exposure_time, iso, camera = facts(path, raw)
    return RawFrame(
      path=path,
      mosaic=raw.raw_image_visible.copy(),  # what rawpy shows is gone when the file is closed
      cfa=cfa,
      black=tuple(float(levels[index]) for index in indices),
      white=float(raw.white_level),
      exposure_time=exposure_time,
      iso=iso,
      camera=camera,
      camera_white_balance=_white_balance(raw.camera_whitebalance),
      orientation=_ORIENTATIONS.get(raw.sizes.flip, 1),
    )


def read_raw_header(path: str | os.PathLike[str]) -> RawHeader:
  """Reads size, exposure and camera, fast: pixels are unpacked only if there are no EXIF tags.

  Layout and levels are not here, as LibRaw tells them only after unpacking. A file that is cut off
  behind its header is not noticed.

  Raises:
    UserError: no such file, empty, or no raw file.
  """
  path = Path(path)
  with _opened(path) as raw:
    sizes = raw.sizes
    return RawHeader(path, sizes.height, sizes.width, *facts(path, raw))


def render_srgb(
  path: str | os.PathLike[str], *, bits: Literal[8, 16] = 16, half_size: bool = False
) -> UInt16[np.ndarray, "h w 3"] | UInt8[np.ndarray, "h w 3"]:
  """Renders a raw file as sRGB, as the targets of "Learning to See in the Dark" are made.

  Camera white balance, no automatic brightness, AHD demosaicing, the file's colour matrix, LibRaw's
  gamma (power 2.222, slope 4.5 near black). Pixels lie as those of the mosaic: not turned upright.

  Args:
    path: any format that LibRaw knows.
    bits: per channel.
    half_size: one pixel for 2x2 of the mosaic, without interpolation.

  Raises:
    UserError: as for `read_raw`, except that the file need not hold a mosaic; or an X-Trans mosaic
      that is too small for LibRaw to render at full size.
  """
  if bits not in (8, 16):
    raise UserError(f"bits: expected 8 or 16, found {bits}")
  path = Path(path)
  with _opened(path) as raw:
    h, w = raw.sizes.height, raw.sizes.width
    if not half_size and min(h, w) < _SMALLEST_XTRANS and _is_xtrans(path, raw):
      raise UserError(
        f"{path}: expected at least {_SMALLEST_XTRANS} pixels a side to render an X-Trans mosaic, "
        f"found {w}x{h}; render it with half_size"
      )
    rendered: np.ndarray = raw.postprocess(
      use_camera_wb=True, no_auto_bright=True, output_bps=bits, half_size=half_size, user_flip=0
    )
    return rendered


def develop(path: str | os.PathLike[str]) -> UInt16[np.ndarray, "h w 3"]:
  """Develops a raw file as a picture: sRGB of 16 bits, upright.

  As `render_srgb`, with the curve of sRGB; X-Trans too small for LibRaw comes at half size.

  Raises:
    UserError: as for `render_srgb`, except that any size is taken.
  """
  path = Path(path)
  with _opened(path) as raw:
    small = min(raw.sizes.height, raw.sizes.width) < _SMALLEST_XTRANS and _is_xtrans(path, raw)
    options: dict[str, Any] = {"use_camera_wb": True, "no_auto_bright": True, "gamma": (2.4, 12.92)}
    return np.asarray(raw.postprocess(output_bps=16, half_size=small, **options))


def _file_size(path: Path) -> int:
  if not path.is_file():
    raise UserError(f"{path}: expected a raw file, found {'a folder' if path.is_dir() else 'none'}")
  return path.stat().st_size


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[rawpy.RawPy]:
  """Opens a raw file; what LibRaw finds wrong, now or inside the block, becomes a `UserError`."""
  size = _file_size(path)
  if size == 0:
    raise UserError(f"{path}: expected a raw file, found an empty one (zero bytes); copy it again")
  with rawpy.RawPy() as raw:
    try:
      raw.open_file(str(path))
      yield raw
    except rawpy.LibRawFileUnsupportedError as error:
      raise UserError(
        f"{path}: expected a camera raw file, found {size} bytes of another kind, or of a camera "
        "that LibRaw does not know; convert it to DNG"
      ) from error
    except (rawpy.LibRawIOError, rawpy.LibRawDataError) as error:
      raise UserError(
        f"{path}: expected a whole raw file, found one that is cut off or damaged ({size} bytes); "
        "copy it again"
      ) from error
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
      detail = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
      raise UserError(f"{path}: cannot be decoded as a raw file ({detail})") from error


def _layout(path: Path, raw: rawpy.RawPy) -> tuple[str, list[int]]:
  """The letters of the visible area's cell, and LibRaw's number of the colour of each."""
  if raw.raw_type != rawpy.RawType.Flat:
    raise UserError(
      f"{path}: expected a mosaic, found {raw.num_colors} channels for every pixel: a scanner's or "
      "a converted file; take the camera's own raw file"
    )
  sizes, names = raw.sizes, raw.color_desc.decode()
  # Not `raw_pattern`, which starts at the sensor's border: the visible area may lie oddly in it.
  sites = np.array(
    [
      [raw.raw_color(sizes.top_margin + y, sizes.left_margin + x) for x in range(6)]
      for y in range(6)
    ]
  )
  cell = sites[:2, :2] if np.array_equal(sites, np.tile(sites[:2, :2], (3, 3))) else sites
  indices = [int(index) for index in cell.ravel()]
  # Without a filter, LibRaw gives a number that names no colour.
  cfa = "".join(names[index] if index < len(names) else "?" for index in indices)
  try:
    mosaics.cell_size(cfa)
  except UserError as error:
    raise UserError(
      f"{path}: expected a Bayer or an X-Trans mosaic, found a cell of the colours {cfa}: a sensor "
      "without a colour filter or with another one; no model reads that"
    ) from error
  return cfa, indices


def _is_xtrans(path: Path, raw: rawpy.RawPy) -> bool:
  with contextlib.suppress(UserError):
    return len(_layout(path, raw)[0]) == 36
  return False


def _white_balance(gains: list[float]) -> tuple[float, float, float] | None:
  red, green, blue = gains[:3]
  if not min(red, green, blue) > 0:
    return None
  return red / green, 1.0, blue / green
