"""A dark pan and bright stills of the same pan -> registered pairs.

After the HKUST turntable recordings: a camera turns while it films in the dark, then goes the same
way in steps with a long exposure at each. The video is decoded three times, a frame at a time, so
that memory does not depend on its length.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing
from llve_jax.io.images import encode_png, read_image, write_image
from llve_jax.io.video import VideoFrame, VideoInfo, read_frames, read_info
from llve_jax.prepare import contact_sheet, crop, match, nearest, register, select
from llve_jax.prepare.grey import Grey, grey, normalized, shrink, view
from llve_jax.prepare.scene_log import SceneLog
from llve_jax.prepare.settings import Settings
from llve_jax.prepare.shoot import Scene

SIDES = ("input", "gt", "mask")


@dataclasses.dataclass
class _Still:
  """A bright still and what was found out about it; its pixels are read when they are needed."""

  path: Path
  view: np.ndarray
  small: Grey
  sharpness: float
  match: float = 0.0


def prepare_scene(scene: Scene, shoot: Path, folder: Path, settings: Settings) -> SceneLog:
  """Pairs one scene and writes its crops below `folder`.

  Args:
    scene: its video and its stills.
    shoot: paths in the manifest are relative to this folder.
    folder: exists and is empty; its crops become `input|gt|mask`/PPPP_C.png.
    settings: see `Settings`.

  Raises:
    UserError: a file cannot be used, and `settings.on_error` is not `skip`.
  """
  log = SceneLog(scene.name)
  video = scene.low[0]
  try:
    info = read_info(video)
    stills = _read_stills(scene, shoot, info, settings, log)
    correlations, mean = _correlate(video, stills, settings)
  except UserError as error:
    if settings.on_error == "fail":
      raise
    log.reject("clip", _named(video, shoot), str(error))
    return log
  if mean < settings.min_mean:
    reason = f"too dark: mean grey {mean:.1f}, below {settings.min_mean:g} (--min_mean)"
    log.reject("clip", _named(video, shoot), reason, mean=mean)
    return log
  pairs = _matched(video, correlations, stills, shoot, settings, log)
  if pairs:
    _write_pairs(pairs, info, shoot, folder, settings, log)
  return log


def _read_stills(
  scene: Scene, shoot: Path, info: VideoInfo, settings: Settings, log: SceneLog
) -> list[_Still]:
  """Views of all stills that are sharp."""
  stills = []
  for path in scene.high:
    try:
      picture = grey(register.fit(read_image(path), info.width, info.height))
    except UserError as error:
      if settings.on_error == "fail":
        raise
      log.reject("still", _named(path, shoot), str(error))
      continue
    vector = normalized(view(picture, settings.match_height, settings.match_blur))
    small = shrink(picture, nearest.HEIGHT)
    stills.append(_Still(path, vector, small, select.sharpness(picture)))
  blurred = select.blurred([still.sharpness for still in stills], settings.min_sharpness)
  for still, is_blurred in zip(stills, blurred, strict=True):
    if is_blurred:
      reason = (
        f"blurred: sharpness {still.sharpness:.1f}, below {settings.min_sharpness:g} of the "
        "scene's median (--min_sharpness)"
      )
      log.reject("still", _named(still.path, shoot), reason, sharpness=still.sharpness)
  return [still for still, is_blurred in zip(stills, blurred, strict=True) if not is_blurred]


def _correlate(video: Path, stills: list[_Still], settings: Settings) -> tuple[np.ndarray, float]:
  """Correlations [stills, frames], and the mean grey of the clip."""
  views = np.stack([still.view for still in stills]) if stills else np.zeros((0, 0), np.float32)
  columns, means = [], []
  for frame in read_frames(video):
    picture = grey(frame.image)
    means.append(float(picture.mean()))
    if stills:
      vector = normalized(view(picture, settings.match_height, settings.match_blur))
      columns.append(views @ vector)
  return np.stack(columns, 1) if columns else np.zeros((0, len(means))), float(np.mean(means))


def _matched(
  video: Path,
  correlations: np.ndarray,
  stills: list[_Still],
  shoot: Path,
  settings: Settings,
  log: SceneLog,
) -> dict[int, list[_Still]]:
  """Frame -> its stills, in the order of the pan."""
  if not stills:
    return {}
  floor = settings.min_correlation
  if settings.match == "argmax":
    matches = match.best_frames(correlations, floor=floor)
  else:
    matches = match.monotone_path(correlations, floor=floor, min_step=settings.min_step)
    matches = nearest.nearest(
      video,
      matches,
      [still.small for still in stills],
      blur=settings.register_blur,
      limit=2 * settings.max_shift,
      min_step=settings.min_step,
    )
  pairs: dict[int, list[_Still]] = {}
  for still, frame, row in zip(stills, matches.frames, correlations, strict=True):
    if frame is None:
      best = float(row.max())
      reason = f"fits no frame: correlation at most {best:.3f}"
      if best >= floor:
        reason = f"fits no frame in the order of the stills (best correlation {best:.3f})"
      log.reject(
        "still", _named(still.path, shoot), reason, match_correlation=best,
        sharpness=still.sharpness,
      )  # fmt: skip
      continue
    still.match = float(row[frame])
    pairs.setdefault(frame, []).append(still)
  if matches.reverse:
    pairs = {frame: together[::-1] for frame, together in pairs.items()}
  return pairs


def _write_pairs(
  pairs: dict[int, list[_Still]],
  info: VideoInfo,
  shoot: Path,
  folder: Path,
  settings: Settings,
  log: SceneLog,
) -> None:
  for side in SIDES:
    (folder / side).mkdir()
  last, number = max(pairs), 0
  for index, frame in enumerate(read_frames(info.path)):
    for still in pairs.get(index, ()):
      number += _write_pair(number, index, frame, still, info, shoot, folder, settings, log)
    if index == last:
      break


def _write_pair(
  number: int,
  index: int,
  frame: VideoFrame,
  still: _Still,
  info: VideoInfo,
  shoot: Path,
  folder: Path,
  settings: Settings,
  log: SceneLog,
) -> bool:
  """Registers a pair and writes its crops; False if it was rejected."""
  bright = register.fit(read_image(still.path), info.width, info.height)
  limit = settings.max_shift * info.width
  shift = register.find_shift(
    grey(frame.image),
    grey(bright),
    height=settings.register_height,
    blur=settings.register_blur,
    limit=2 * limit,
  )
  moved, valid = register.move(bright, shift)
  agreement = register.agreement(
    frame.image, moved, valid, height=settings.match_height, blur=settings.match_blur
  )
  scores: dict[str, Any] = {
    "frame": index,
    "shift": list(shift),
    "correlation": agreement,
    "match_correlation": still.match,
    "sharpness": still.sharpness,
  }
  name = _named(still.path, shoot)
  if reason := _fault(shift, agreement, limit, settings):
    log.reject("pair", name, reason, **scores)
    return False
  mask = valid.astype(np.uint8) * 255
  for count, box in enumerate(crop.boxes(settings.crops, info.width, info.height, settings.size)):
    left, top, width, height = box
    part = np.s_[top : top + height, left : left + width]
    paths = {side: f"{side}/{number:04d}_{count}.png" for side in SIDES}
    write_image(folder / paths["input"], frame.image[part])
    write_image(folder / paths["gt"], moved[part])
    with replacing(folder / paths["mask"]) as temporary:
      temporary.write_bytes(encode_png(mask[part][..., None]))
    log.keep(
      pair=number,
      crop=count,
      box=list(box),
      time=frame.time,
      fps=float(info.average_rate),
      video=_named(info.path, shoot),
      still=name,
      **{side: f"{log.scene}/{path}" for side, path in paths.items()},
      **scores,
    )
  caption = (
    f"pair {number:04d}: frame {index} and {name}, correlation {agreement:.3f} (matched at "
    f"{still.match:.3f}), shift {shift[0]:+.2f}, {shift[1]:+.2f} px"
  )
  log.sheet.append(contact_sheet.figure(caption, frame.image, moved))
  return True


def _fault(shift: register.Shift, agreement: float, limit: float, settings: Settings) -> str:
  """Why a registered pair is no good, or nothing."""
  dx, dy = shift
  if max(abs(dx), abs(dy)) > limit:
    return f"shift {dx:+.1f}, {dy:+.1f} px is above {limit:.1f} px (--max_shift)"
  if agreement < settings.min_correlation:
    return (
      f"correlation {agreement:.3f} after registration is below {settings.min_correlation:g} "
      "(--min_correlation)"
    )
  return ""


def _named(path: Path, shoot: Path) -> str:
  """Relative to the shoot, with forward slashes."""
  return path.relative_to(shoot).as_posix()
