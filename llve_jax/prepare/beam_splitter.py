"""Two cameras behind one lens, one of them in the dark: two videos of the same moments -> pairs.

After SMOID (Jiang and Zheng, "Learning to See Moving Objects in the Dark", ICCV 2019). Found out
are the frames by which one recording started later, and one shift for the whole clip. Everything is
streamed; only small greys of the first frames are held.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from llve_jax.errors import UserError
from llve_jax.io.images import write_image
from llve_jax.io.video import VideoFrame, read_frames, read_info
from llve_jax.ops.warp import Shift, valid_area
from llve_jax.prepare import contact_sheet, register
from llve_jax.prepare.grey import grey, view
from llve_jax.prepare.scene_log import SceneLog
from llve_jax.prepare.settings import Settings
from llve_jax.prepare.shoot import Scene

SIDES = ("low", "high")
_PROBED = 600  # frames from the start that tell the offset
_REGISTERED = 9  # frames over the clip whose median shift is taken
_MARGIN = 0.02  # by how much an offset must correlate better than none
_ROWS = 90  # of the pictures that tell the offset

Views = Float[np.ndarray, "frames pixels"]


def prepare_scene(scene: Scene, shoot: Path, folder: Path, settings: Settings) -> SceneLog:
  """Writes the frames that both videos show as `low|high`/NNNNNN.png, cut to what both see.

  Args:
    scene: a low and a high video.
    shoot: paths in the manifest are relative to this folder.
    folder: exists and is empty.
    settings: see `Settings`.

  Raises:
    UserError: a file cannot be used or the counts of frames differ, and `settings.on_error` is not
      `skip`.
  """
  log = SceneLog(scene.name)
  low, high = scene.low[0], scene.high[0]
  try:
    (low_views, low_count), (high_views, high_count) = (_probe(path) for path in (low, high))
    if low_count != high_count and settings.on_error == "fail":
      raise UserError(
        f"{scene.folder}: expected two videos of as many frames, found {low_count} in {low.name} "
        f"and {high_count} in {high.name}; a camera dropped some, or cut them to the common part "
        "with --on_error=skip"
      )
    offset = find_offset(low_views, high_views, settings.max_offset)
    starts = max(0, -offset), max(0, offset)
    count = min(low_count - starts[0], high_count - starts[1])
    shift, agreement = _one_shift(low, high, starts, count, settings)
    _check_shift(shift, agreement, read_info(low).width, low, settings)
  except UserError as error:
    if settings.on_error == "fail":
      raise
    log.reject("clip", low.relative_to(shoot).as_posix(), str(error))
    return log
  box = _write(low, high, starts, count, shift, folder, log)
  info = read_info(low)
  log.keep(
    low=f"{scene.name}/low",
    high=f"{scene.name}/high",
    low_video=low.relative_to(shoot).as_posix(),
    high_video=high.relative_to(shoot).as_posix(),
    offset=offset,
    shift=list(shift),
    correlation=agreement,
    box=list(box),
    frames=count,
    low_frames=low_count,
    high_frames=high_count,
    fps=float(info.average_rate),
  )
  return log


def find_offset(low: Views, high: Views, most: int) -> int:
  """By how many frames the high video runs ahead: its frame i + offset shows the low one's frame i.

  What stands still is taken off both, and the rest correlated at every offset up to `most` that
  leaves half of the shorter clip. 0 where none is clearly better: nothing moves.
  """
  needed = max(1, min(len(low), len(high)) // 2)
  scores = {}
  for offset in range(-most, most + 1):
    first, second = low[max(0, -offset) :], high[max(0, offset) :]
    count = min(len(first), len(second))
    if count >= needed:
      scores[offset] = _moving_correlation(first[:count], second[:count])
  best = max(scores, key=lambda offset: (scores[offset], -abs(offset)), default=0)
  return best if scores.get(best, 0.0) > scores.get(0, -1.0) + _MARGIN else 0


def _moving_correlation(first: Views, second: Views) -> float:
  first, second = first - first.mean(0), second - second.mean(0)
  power = float(np.sqrt(np.square(first).sum() * np.square(second).sum()))
  return float((first * second).sum()) / power if power > 1e-6 else 0.0


def _probe(video: Path) -> tuple[Views, int]:
  """Small equalised pictures of the first frames, and the number of all."""
  views: list[np.ndarray] = []
  count = 0
  for count, frame in enumerate(read_frames(video), 1):
    if count <= _PROBED:
      views.append(view(grey(frame.image), _ROWS, 1.0).ravel())
  return np.stack(views), count


def _together(
  low: Path, high: Path, starts: tuple[int, int], count: int
) -> Iterator[tuple[VideoFrame, VideoFrame]]:
  """The frames of both videos that were taken at the same time."""
  streams = (
    itertools.islice(read_frames(path), start, start + count)
    for path, start in zip((low, high), starts, strict=True)
  )
  yield from zip(*streams, strict=True)


def _one_shift(
  low: Path, high: Path, starts: tuple[int, int], count: int, settings: Settings
) -> tuple[Shift, float]:
  """The median shift of some frames, and the mean correlation of those under it."""
  info = read_info(low)
  chosen = set(np.linspace(0, count - 1, min(count, _REGISTERED)).round().astype(int).tolist())
  pairs = []
  for index, (dark, bright) in enumerate(_together(low, high, starts, count)):
    if index in chosen:
      pairs.append((dark.image, register.fit(bright.image, info.width, info.height)))
  shifts = [
    register.find_shift(
      grey(dark),
      grey(bright),
      height=settings.register_height,
      blur=settings.register_blur,
      limit=2 * settings.max_shift * info.width,
    )
    for dark, bright in pairs
  ]
  dx, dy = np.median(shifts, axis=0).tolist()
  agreements = [
    register.agreement(
      dark,
      *register.move(bright, (dx, dy)),
      height=settings.match_height,
      blur=settings.match_blur,
    )
    for dark, bright in pairs
  ]
  return (dx, dy), float(np.mean(agreements))


def _check_shift(shift: Shift, agreement: float, width: int, low: Path, settings: Settings) -> None:
  limit = settings.max_shift * width
  if max(abs(shift[0]), abs(shift[1])) > limit:
    raise UserError(
      f"{low}: lies {shift[0]:+.1f}, {shift[1]:+.1f} px beside the bright video, more than "
      f"{limit:.1f} px; align the cameras, or allow more with --max_shift"
    )
  if agreement < settings.min_correlation:
    raise UserError(
      f"{low}: correlates with the bright video by {agreement:.3f} only, less than "
      f"{settings.min_correlation:g} (--min_correlation); are these two videos of one scene?"
    )


def _write(
  low: Path,
  high: Path,
  starts: tuple[int, int],
  count: int,
  shift: Shift,
  folder: Path,
  log: SceneLog,
) -> register.Box:
  """Writes all frames; returns what they show of the low video: (left, top, width, height)."""
  info = read_info(low)
  box = register.bounds(valid_area(info.height, info.width, shift))
  assert box is not None  # the shift is far smaller than the frame
  left, top, width, height = box
  part = np.s_[top : top + height, left : left + width]
  for side in SIDES:
    (folder / side).mkdir()
  for index, (dark, bright) in enumerate(_together(low, high, starts, count)):
    moved, _ = register.move(register.fit(bright.image, info.width, info.height), shift)
    write_image(folder / "low" / f"{index:06d}.png", dark.image[part])
    write_image(folder / "high" / f"{index:06d}.png", moved[part])
    if index == count // 2:
      caption = (
        f"frame {index} of {count}; the bright video is {starts[1] - starts[0]:+d} frames ahead, "
        f"shift {shift[0]:+.2f}, {shift[1]:+.2f} px"
      )
      log.sheet.append(contact_sheet.figure(caption, dark.image[part], moved[part]))
  return box
