"""A dark burst of raw frames and one long exposure of the same still scene -> frames and a target.

After the recipe of Chen et al., "Seeing Motion in the Dark", ICCV 2019, as its author described it:
black level off, each 2x2 cell to one RGB pixel, times the exposure ratio, denoised over time; the
target is LibRaw's rendering of the long exposure at the same size. Their denoiser (V-BM4D) is
replaced, see `llve_jax.ops.temporal`; the manifest says by what.
"""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from llve_jax.errors import UserError
from llve_jax.io.images import write_image16
from llve_jax.io.raw import RawFrame, read_raw, read_raw_header, render_srgb
from llve_jax.ops import mosaic, raw_light, temporal
from llve_jax.prepare import contact_sheet
from llve_jax.prepare.scene_log import SceneLog
from llve_jax.prepare.settings import Settings
from llve_jax.prepare.shoot import Scene

SIDES = ("low", "high")
_BLOCK = 8  # pixels a side in which noise is measured
_GROUPS = 16  # of blocks of about the same light
_SAME = 0.01  # relative difference of exposure times that a camera's rounding explains

Packed = Float[np.ndarray, "h w 4"]


@dataclasses.dataclass(frozen=True)
class _Burst:
  """What holds for all frames of a burst; `size` is that of the binned frames, (h, w)."""

  ratio: float
  shot_noise: float
  read_noise: float
  size: tuple[int, int]


def prepare_scene(scene: Scene, shoot: Path, folder: Path, settings: Settings) -> SceneLog:
  """Writes low/NNNNNN.png, linear raw RGB, and high/000000.png, sRGB; 16 bit, half the raw's size.

  Args:
    scene: raw frames of the burst, and one long exposure.
    shoot: paths in the manifest are relative to this folder.
    folder: exists and is empty.
    settings: see `Settings`.

  Raises:
    UserError: a file cannot be used, and `settings.on_error` is not `skip` (then a burst goes on
      without a frame that cannot be read).
  """
  log = SceneLog(scene.name)
  files, frames = [], 0
  try:
    target = np.asarray(render_srgb(scene.high[0], bits=16, half_size=True), np.uint16)
    files = _readable(scene, shoot, settings, log)
    burst = _survey(files, scene.high[0], settings)
    height, width = burst.size
    if abs(target.shape[0] - height) > 1 or abs(target.shape[1] - width) > 1:
      raise UserError(
        f"{scene.high[0]}: expected the size of the burst, {width}x{height} after binning, found "
        f"{target.shape[1]}x{target.shape[0]}"
      )
    target = target[:height, :width]
    for side in SIDES:
      (folder / side).mkdir()
    for frames, light in enumerate(_lit(files, burst, settings.denoise), 1):
      low = np.rint(np.clip(raw_light.bin_rgb(light), 0, 1) * 65535).astype(np.uint16)
      write_image16(folder / "low" / f"{frames - 1:06d}.png", low[:height, :width])
    write_image16(folder / "high" / "000000.png", target)
  except UserError as error:
    if settings.on_error == "fail":
      raise
    log.reject("clip", scene.folder.relative_to(shoot).as_posix(), str(error))
    return log
  log.keep(
    low=f"{scene.name}/low",
    high=f"{scene.name}/high/000000.png",
    frames=frames,
    short=[path.relative_to(shoot).as_posix() for path in files],
    long=scene.high[0].relative_to(shoot).as_posix(),
    ratio=burst.ratio,
    denoise=temporal.RECURSIVE if settings.denoise == "recursive" else "none",
    shot_noise=burst.shot_noise,
    read_noise=burst.read_noise,
  )
  caption = f"last of {frames} frames (linear), exposure ratio {burst.ratio:g}"
  log.sheet.append(contact_sheet.figure(caption, _as_8_bit(low), _as_8_bit(target)))
  return log


def measure_noise(first: Packed, second: Packed) -> tuple[float, float]:
  """(shot noise, read noise) of two frames of a still scene, both proportional to light.

  The variance in blocks of the frames' difference, fitted by a line over the blocks' light (Foi et
  al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE
  TIP 2008): `shot_noise * light + read_noise**2`. The median over blocks of like light passes over
  those in which something moved.
  """
  light, variance = (
    _blocks(picture).ravel() for picture in ((first + second) / 2, (first - second) ** 2 / 2)
  )
  groups = np.array_split(np.argsort(light), min(_GROUPS, len(light)))
  x = np.array([np.median(light[group]) for group in groups])
  y = np.array([np.median(variance[group]) for group in groups])
  weight = 1 / np.maximum(y, 1e-12)  # the variance of a variance goes with its square
  columns = np.stack([x, np.ones_like(x)], 1) * weight[:, None]
  slope, floor = np.linalg.lstsq(columns, y * weight)[0]
  if slope <= 0:  # no more noise in the light than in the dark
    slope, floor = 0.0, np.median(y)
  return float(slope), math.sqrt(max(float(floor), 0.0))


def _blocks(picture: Packed) -> Float[np.ndarray, "h w 4"]:
  """Means of square blocks; what is left over at the border is not used."""
  side = min(_BLOCK, *picture.shape[:2])
  rows, columns = (length // side for length in picture.shape[:2])
  cut = picture[: rows * side, : columns * side]
  return cut.reshape(rows, side, columns, side, -1).mean((1, 3))


def _readable(scene: Scene, shoot: Path, settings: Settings, log: SceneLog) -> list[Path]:
  """The frames of the burst that can be read; without `skip`, all or an error later."""
  if settings.on_error == "fail":
    return list(scene.low)
  files = []
  for path in scene.low:
    try:
      read_raw(path, sensor="bayer")
    except UserError as error:
      log.reject("still", path.relative_to(shoot).as_posix(), str(error))
      continue
    files.append(path)
  if not files:
    raise UserError(f"{scene.folder}: expected raw frames in short/, found none that can be read")
  return files


def _survey(files: list[Path], long: Path, settings: Settings) -> _Burst:
  """Exposure ratio, noise and size, from the first two frames."""
  frames = [read_raw(path, sensor="bayer") for path in files[:2]]
  ratio = settings.ratio
  if not ratio:
    bright = _seconds(long, read_raw_header(long).exposure_time)
    dark = _seconds(files[0], frames[0].exposure_time)
    ratio = raw_light.exposure_ratio(bright, dark, cap=math.inf)
  lights = [_light(frame, ratio) for frame in frames]
  shot_noise, read_noise = 0.0, 0.0
  if len(lights) == 2:
    if lights[0].shape != lights[1].shape:
      raise _other_size(frames[1], lights[1].shape, lights[0].shape)
    shot_noise, read_noise = measure_noise(*lights)
  height, width = lights[0].shape[:2]
  return _Burst(ratio, shot_noise, read_noise, (height, width))


def _seconds(path: Path, exposure: float | None) -> float:
  if not exposure:
    raise UserError(
      f"{path}: expected an exposure time in the file, found none; give --ratio=NUMBER "
      "(long / short)"
    )
  return exposure


def _lit(files: list[Path], burst: _Burst, denoise: str) -> Iterator[Packed]:
  """Packed frames at the light of the long exposure, denoised if asked.

  Noise below black is kept until the end: cut off before averaging, it would brighten the dark.
  """
  lights = _checked(files, burst)
  if denoise == "none":
    yield from lights
    return
  yield from temporal.denoise_stream(
    lights, shot_noise=burst.shot_noise, read_noise=burst.read_noise
  )


def _checked(files: list[Path], burst: _Burst) -> Iterator[Packed]:
  exposure = None
  for path in files:
    frame = read_raw(path, sensor="bayer")
    light = _light(frame, burst.ratio)
    if light.shape[:2] != burst.size:
      raise _other_size(frame, light.shape, burst.size)
    now = frame.exposure_time or 0.0
    exposure = now if exposure is None else exposure
    if abs(now - exposure) > _SAME * exposure:
      raise UserError(
        f"{path}: expected the exposure of the frames before it, {exposure:g} s, found {now:g} s; "
        "make a scene of its own of these frames"
      )
    yield light


def _light(frame: RawFrame, ratio: float) -> Packed:
  """Packed light of one frame, times the exposure ratio; an odd last row or column is left out."""
  light = raw_light.normalize(frame.mosaic, frame.cfa, frame.black, frame.white)
  height, width = (length // 2 * 2 for length in light.shape)
  return mosaic.pack(light[:height, :width], frame.cfa) * np.float32(ratio)


def _other_size(frame: RawFrame, found: tuple[int, ...], wanted: tuple[int, ...]) -> UserError:
  return UserError(
    f"{frame.path}: expected a frame of the burst's size, {2 * wanted[1]}x{2 * wanted[0]}, found "
    f"{2 * found[1]}x{2 * found[0]}"
  )


def _as_8_bit(image: np.ndarray) -> np.ndarray:
  return np.rint(image / 257.0).astype(np.uint8)
