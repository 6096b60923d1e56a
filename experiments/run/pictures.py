"""What an evaluation leaves to look at: strips of frames, brightness over time, the dark clips."""

import json
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from llve_jax.io.atomic import replacing
from llve_jax.io.images import write_image
from llve_jax.io.video import write_video
from llve_jax.metrics.strips import strip
from llve_jax.metrics.temporal import frame_brightness
from llve_jax.score.score import clip_key
from llve_jax.shapes import Frame8, Frames8

if TYPE_CHECKING:
  from llve_jax.data.clips import EvalClip

STRIP_ROWS = 4
ZOOM = 3
_MOST = 720  # pixels along a row of a shown frame
_RATE = 25  # frames per second, where nobody noted it

Shown = dict[str, list[Frame8]]  # method -> frames at several moments


class Pictures:
  """Sees the results of an evaluation go by (`watch` of `score_all`) and keeps what it will show.

  That is little: a frame of the middle of each clip, a few more of the first clips, a number per
  frame. Writes into the folder:

  * `strips/<clip>.png`: input, best classic baseline, network and target of the middle frame, and
    below a detail of each, magnified; the part of the target with the finest structure.
  * `strip.png`: the same columns, at several moments of the first clips.
  * `brightness.json`: {method: {clip: [mean brightness of every frame, 0 to 1]}}, the target, too.
  * `<clip>_dark.mp4`: the dark clip as a person sees it, to try the tool `llve_jax.enhance` on.
  """

  def __init__(self, out: Path):
    """Writes into `out`, an existing folder."""
    self._out = out
    self._brightness: dict[str, dict[str, list[float]]] = {}
    self._middle: dict[str, Shown] = {}  # clip -> whole frame and detail
    self._moments: dict[str, Shown] = {}

  def __call__(self, method: str, clip: "EvalClip", frames: Frames8) -> None:
    """Notes one method's frames of one clip."""
    key = clip_key(clip)
    if key not in self._middle:
      self._begin(clip)
    self._note(method, clip, frames)

  def write(self, *methods: str) -> None:
    """Writes the strips, with a column for each of the methods, and all brightness."""
    columns = ["input", *methods, "target"]
    (self._out / "strips").mkdir(exist_ok=True)
    for key, shown in self._middle.items():
      rows = [[shown[name][row] for name in _names(columns)] for row in range(2)]
      write_image(self._out / "strips" / f"{_file_name(key)}.png", strip(rows, columns))
    clips = list(self._moments.values())
    rows = [
      [clips[row % len(clips)][name][row] for name in _names(columns)] for row in range(STRIP_ROWS)
    ]
    write_image(self._out / "strip.png", strip(rows, columns))
    with replacing(self._out / "brightness.json") as temporary:
      temporary.write_text(json.dumps(self._brightness) + "\n")

  def _begin(self, clip: "EvalClip") -> None:
    """The dark clip and the target, which no method gives."""
    key = clip_key(clip)
    self._middle[key] = {}
    if len(self._moments) < STRIP_ROWS:
      self._moments[key] = {}
    self._note(_INPUT, clip, clip.low)
    self._note(_TARGET, clip, clip.high)
    if len(clip.low) > 1:
      rate = Fraction(clip.fps or _RATE).limit_denominator(1001)  # 29.97 is 30000/1001
      # Nearly lossless: what is left of a dark scene is in the lowest bits.
      write_video(self._out / f"{_file_name(key)}_dark.mp4", clip.low, rate, crf=6)

  def _note(self, name: str, clip: "EvalClip", frames: Frames8) -> None:
    key, count = clip_key(clip), len(frames)
    middle = frames[count // 2]
    self._middle[key][name] = [shrunk(middle), detail(middle, clip.high[count // 2])]
    if key in self._moments:
      places = [int((row + 1) / (STRIP_ROWS + 1) * count) for row in range(STRIP_ROWS)]
      self._moments[key][name] = [shrunk(frames[place]) for place in places]
    if name != _INPUT:
      told = self._brightness.setdefault(_KEYS.get(name, name), {})
      told[key] = (frame_brightness(frames) / 255.0).tolist()


# Apart from the names of methods.
_INPUT, _TARGET = ":input", ":target"
_KEYS = {_TARGET: "target"}


def _names(columns: list[str]) -> list[str]:
  return [_INPUT, *columns[1:-1], _TARGET]


def shrunk(frame: Frame8) -> Frame8:
  """The frame, at most so wide as a strip shows it."""
  height, width = _shown_size(frame)
  if width == frame.shape[1]:
    return frame.copy()  # not a view, which would keep the whole clip
  return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def detail(frame: Frame8, target: Frame8) -> Frame8:
  """A part of the frame, `ZOOM` times as large, that fills the size of `shrunk`.

  Where it lies depends on the target only, so that all columns show the same.
  """
  height, width = _shown_size(frame)
  size = max(1, height // ZOOM), max(1, width // ZOOM)
  top, left = busiest(target, *size)
  part = frame[top : top + size[0], left : left + size[1]]
  large = cv2.resize(part, (width, height), interpolation=cv2.INTER_NEAREST)
  return np.asarray(large, np.uint8)


def busiest(frame: Frame8, height: int, width: int) -> tuple[int, int]:
  """The top left corner of the window of that size with the most detail: edges, summed."""
  grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
  edges = np.abs(cv2.Laplacian(grey, cv2.CV_64F))
  total = cv2.integral(edges)
  inside = total[height:, width:] - total[:-height, width:]
  inside = inside - total[height:, :-width] + total[:-height, :-width]
  top, left = np.unravel_index(np.argmax(inside), inside.shape)
  return int(top), int(left)


def _shown_size(frame: Frame8) -> tuple[int, int]:
  height, width = frame.shape[:2]
  shown = min(width, _MOST)
  return max(1, round(height * shown / width)), shown


def _file_name(key: str) -> str:
  """Names of clips may hold folders."""
  return key.replace("/", "_")
