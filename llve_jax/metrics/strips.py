"""A strip: frames side by side under their captions, for a README or a quick look."""

from collections.abc import Sequence

import cv2
import numpy as np

from llve_jax.shapes import Frame8

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GAP = 4  # pixels


def strip(rows: Sequence[Sequence[Frame8]], captions: Sequence[str]) -> Frame8:
  """Draws rows of frames in columns, one caption above each column.

  Args:
    rows: each holds one frame per caption, uint8 [h, w, 3]. Frames of one row have one size; rows
      may differ and are scaled to the width of the first.
    captions: ASCII text; it is made smaller until it fits its column.

  Returns:
    uint8 RGB, [height, width, 3].

  Raises:
    ValueError: no row, a row without exactly one frame per caption, or sizes that differ in a row.
  """
  if not rows:
    raise ValueError("strip needs at least one row of frames")
  for row in rows:
    if len(row) != len(captions) or len({frame.shape for frame in row}) != 1:
      raise ValueError(
        f"a row needs {len(captions)} frames of one size, got {[frame.shape for frame in row]}"
      )
  width = rows[0][0].shape[1]
  lines = [_side_by_side([_caption(text, width) for text in captions])]
  for row in rows:
    height = max(1, round(row[0].shape[0] * width / row[0].shape[1]))
    lines += [_bar(lines[0].shape[1]), _side_by_side([_fit(frame, width, height) for frame in row])]
  return np.concatenate(lines)


def _side_by_side(frames: Sequence[Frame8]) -> Frame8:
  gap = np.full((frames[0].shape[0], _GAP, 3), 255, np.uint8)
  parts = [frames[0]]
  for frame in frames[1:]:
    parts += [gap, frame]
  return np.concatenate(parts, axis=1)


def _bar(width: int) -> Frame8:
  return np.full((_GAP, width, 3), 255, np.uint8)


def _fit(frame: Frame8, width: int, height: int) -> Frame8:
  if frame.shape[:2] == (height, width):
    return frame
  return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _caption(text: str, width: int) -> Frame8:
  """White on black, about a twelfth of the column's width high."""
  height = max(16, width // 12)
  (full, tall), _ = cv2.getTextSize(text, _FONT, 1.0, 1)
  scale = min(0.55 * height / max(tall, 1), (width - 8) / max(full, 1))
  box = np.zeros((height, width, 3), np.uint8)
  (_, drawn), _ = cv2.getTextSize(text, _FONT, scale, 1)
  position = (4, (height + drawn) // 2)
  cv2.putText(box, text, position, _FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)
  return box
