"""Two folders of images, matched by name and scored."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llve_jax.errors import UserError
from llve_jax.io.images import IMAGE_SUFFIXES, read_image
from llve_jax.io.visible import visible_files
from llve_jax.metrics.image import SSIM_WINDOW
from llve_jax.metrics.perceptual import LEAST_SIDE
from llve_jax.metrics.protocols import Protocol, score_frames
from llve_jax.metrics.report import Report
from llve_jax.metrics.whole_clip import clip_scores, static_scores
from llve_jax.shapes import Frame8

_LISTED = 10
_LEAST = {"ssim": SSIM_WINDOW, "lpips_alex": LEAST_SIDE["alexnet"]}  # pixels a metric needs


def match_folders(
  pred: str | os.PathLike[str], target: str | os.PathLike[str]
) -> list[tuple[str, Path, Path]]:
  """Pairs the images of two folders: (name, prediction file, target file), sorted by name.

  The name is the path inside the folder without its suffix, so `a/1.png` matches `a/1.jpg`.
  Files that are no images and hidden files are passed over.

  Raises:
    UserError: a folder is missing or holds no image, a name occurs twice, or the names differ
      (the differences are listed).
  """
  pred_images, target_images = image_files(Path(pred)), image_files(Path(target))
  only_pred = sorted(pred_images.keys() - target_images.keys())
  only_target = sorted(target_images.keys() - pred_images.keys())
  if only_pred or only_target:
    raise UserError(
      "the two folders do not match by name (path without suffix)\n"
      f"  only in {pred}: {_listed(only_pred)}\n"
      f"  only in {target}: {_listed(only_target)}\n"
      "  rename or remove these files so that every prediction has its target"
    )
  return [(name, pred_images[name], target_images[name]) for name in sorted(pred_images)]


def score_folders(
  pred: str | os.PathLike[str],
  target: str | os.PathLike[str],
  protocol: Protocol,
  *,
  temporal: bool = False,
  static: bool = False,
) -> Report:
  """Scores every image of `pred` that the protocol selects against its namesake in `target`.

  Images of one sub-folder are the frames of one clip, in the order of their names, with numbers in
  them taken as numbers (2 before 10); those directly in the folder are one clip called ".".

  Args:
    pred: folder of images.
    target: folder of images with the same names.
    protocol: what is compared, and how.
    temporal: whether to add `clip_scores`, which keeps a whole clip in memory; otherwise one pair
      is in memory at a time.
    static: whether to add `static_scores`, which mean something of still scenes alone; likewise.

  Raises:
    UserError: as `match_folders`; an image cannot be read, is too small, or differs in size; or a
      clip is too short for the protocol or for temporal metrics.
  """
  report = Report(protocol, "pred", {"pred": str(pred), "target": str(target)})
  clips: dict[str, list[tuple[str, Path, Path]]] = {}
  for name, pred_file, target_file in match_folders(pred, target):
    path = Path(name)
    clips.setdefault(path.parent.as_posix(), []).append((path.name, pred_file, target_file))
  for clip, frames in clips.items():
    frames.sort(key=lambda frame: _by_number(frame[0]))
    kept = protocol.kept(len(frames), clip)
    whole = []
    for index, (name, pred_file, target_file) in enumerate(frames):
      if index not in kept and not (temporal or static):
        continue
      pair = _read_pair(pred_file, target_file, protocol)
      if index in kept:
        report.add("pred", clip, [name], score_frames(protocol, pair[0][None], pair[1][None]))
      if temporal or static:
        whole.append(pair)
    if temporal or static:
      report.add_clip("pred", clip, _score_clip(clip, whole, temporal, static))
  return report


def _by_number(name: str) -> list[str | int]:
  """Sorts frame2 before frame10: text and numbers take turns in the key."""
  return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _read_pair(pred_file: Path, target_file: Path, protocol: Protocol) -> tuple[Frame8, Frame8]:
  pred_image, target_image = read_image(pred_file), read_image(target_file)
  if pred_image.shape != target_image.shape:
    raise UserError(
      f"{pred_file} is {_size(pred_image)} but {target_file} is {_size(target_image)}; "
      "width and height must be equal: resize or crop one of them"
    )
  for name in protocol.metrics:
    least = _LEAST.get(name, 1) + 2 * protocol.border
    if min(pred_image.shape[:2]) < least:
      raise UserError(
        f"{pred_file} is {_size(pred_image)}; {name.upper()} needs at least {least}x{least} "
        f"under protocol {protocol.name}"
      )
  return pred_image, target_image


def _score_clip(
  clip: str, frames: Sequence[tuple[Frame8, Frame8]], temporal: bool, static: bool
) -> dict[str, float]:
  sizes = {pred.shape for pred, _ in frames}
  if len(frames) < 2 or len(sizes) > 1:
    found = f"{len(frames)} frame(s) of {len(sizes)} size(s)"
    raise UserError(
      f"clip {clip}: temporal metrics need two frames or more of one size, found {found}; the "
      "frames of a clip are the images of one sub-folder"
    )
  pred, target = (np.stack(images) for images in zip(*frames, strict=True))
  try:
    scores = clip_scores(pred, target) if temporal else {}
    return scores | static_scores(pred) if static else scores
  except ValueError as error:
    raise UserError(f"clip {clip}: {error}") from error


def image_files(folder: Path) -> dict[str, Path]:
  """The images in a folder and those below: path inside it without suffix -> file.

  Raises:
    UserError: no such folder, no image in it, or two of one name.
  """
  if not folder.is_dir():
    raise UserError(f"{folder}: expected a folder of images, found no such folder")
  images: dict[str, Path] = {}
  for path in visible_files(folder, IMAGE_SUFFIXES, below=True):
    name = path.relative_to(folder).with_suffix("").as_posix()
    if name in images:
      raise UserError(f"{images[name]} and {path} have the same name; keep one of them")
    images[name] = path
  if not images:
    raise UserError(f"{folder}: holds no image ({' '.join(IMAGE_SUFFIXES)})")
  return images


def _listed(names: list[str]) -> str:
  if not names:
    return "nothing"
  more = len(names) - _LISTED
  return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _size(frame: np.ndarray) -> str:
  return f"{frame.shape[1]}x{frame.shape[0]}"
