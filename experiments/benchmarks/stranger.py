"""The folder of somebody who tries the commands of the documents: every file that they name."""

from pathlib import Path

import numpy as np

from llve_jax.io.images import write_image
from llve_jax.io.video import write_video

_SIZE = (72, 96)  # rows and columns of the films


def prepare(folder: Path, root: Path) -> None:
  """Writes dark films and pictures, pairs, and links to what the repository has.

  Args:
    folder: is there, and empty.
    root: of the repository.
  """
  for name in ("experiments", "llve_jax", "tfds_builders", "launch", "setup.py"):
    (folder / name).symlink_to(root / name)
  for name in ("tmp", "holiday", "PAIRS/train/low", "PAIRS/train/high"):
    (folder / name).mkdir(parents=True)
  scene = _scene(30)
  dark = (scene * 0.15).astype(np.uint8)
  for name in ("dark.mp4", "dark.avi", "phone.mov", "damaged.mkv", "camera.mp4", "holiday/a.mp4"):
    write_video(folder / name, dark, 25)
  damaged = (folder / "damaged.mkv").read_bytes()
  (folder / "damaged.mkv").write_bytes(damaged[: 2 * len(damaged) // 3])
  for name in ("dark.jpg", "holiday/b.jpg", "holiday/c.png"):
    write_image(folder / name, dark[0])
  for index in range(30):
    write_image(folder / "PAIRS" / "train" / "low" / f"{index}.png", dark[index])
    write_image(folder / "PAIRS" / "train" / "high" / f"{index}.png", scene[index])


def _scene(count: int) -> np.ndarray:
  """Slopes, a lamp and a moving bar, uint8."""
  rows, columns = _SIZE
  y, x = np.mgrid[:rows, :columns]
  frames = np.empty((count, rows, columns, 3), np.uint8)
  for index, frame in enumerate(frames):
    frame[..., 0] = 40 + 150 * x / columns
    frame[..., 1] = 60 + 120 * y / rows
    frame[..., 2] = 90
    frame[10:20, 10:18] = 250
    frame[30:50, 2 * index : 2 * index + 12] = (200, 180, 40)
  return frames
