"""Two folders of images, matched by name and scored."""

import os
from pathlib import Path

import numpy as np

from llve_jax.errors import UserError
from llve_jax.io.images import IMAGE_SUFFIXES, read_image
from llve_jax.metrics.image import SSIM_WINDOW
from llve_jax.metrics.protocols import Protocol, score_frames
from llve_jax.metrics.report import Report

_LISTED = 10


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
  pred_images, target_images = _images(Path(pred)), _images(Path(target))
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
  pred: str | os.PathLike[str], target: str | os.PathLike[str], protocol: Protocol
) -> Report:
  """Scores every image of `pred` against its namesake in `target`.

  Images of one sub-folder are the frames of one clip; those directly in the folder are one clip
  called ".". One pair is in memory at a time.

  Raises:
    UserError: as `match_folders`; or an image cannot be read, is too small, or differs in size.
  """
  report = Report(protocol, "pred", {"pred": str(pred), "target": str(target)})
  for name, pred_file, target_file in match_folders(pred, target):
    pred_image, target_image = read_image(pred_file), read_image(target_file)
    if pred_image.shape != target_image.shape:
      raise UserError(
        f"{pred_file} is {_size(pred_image)} but {target_file} is {_size(target_image)}; "
        "width and height must be equal: resize or crop one of them"
      )
    if "ssim" in protocol.metrics and min(pred_image.shape[:2]) < SSIM_WINDOW:
      raise UserError(
        f"{pred_file} is {_size(pred_image)}; SSIM needs at least {SSIM_WINDOW}x{SSIM_WINDOW}"
      )
    scores = score_frames(protocol, pred_image[None], target_image[None])
    path = Path(name)
    report.add("pred", path.parent.as_posix(), [path.name], scores)
  return report


def _images(folder: Path) -> dict[str, Path]:
  if not folder.is_dir():
    raise UserError(f"{folder}: expected a folder of images, found no such folder")
  images: dict[str, Path] = {}
  for path in sorted(folder.rglob("*")):
    inside = path.relative_to(folder)
    hidden = any(part.startswith(".") for part in inside.parts)
    if hidden or path.suffix.lower() not in IMAGE_SUFFIXES or not path.is_file():
      continue
    name = inside.with_suffix("").as_posix()
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
