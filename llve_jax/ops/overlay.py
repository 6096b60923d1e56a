"""Letterbox bars and burnt-in graphics: what is laid over a film after the camera has taken it.

They are the same in a dark clip and in its bright target. Places and sizes are fractions of the
frame, so that they are drawn before its size is known.
"""

import dataclasses

import cv2
import numpy as np
from jaxtyping import UInt8

from llve_jax.shapes import Frame8

_LETTERS = "ABCDEFGHIJKLMNOPRSTUVWXYZ0123456789:./-"
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)
_COLORS = ((255, 255, 255), (255, 255, 255), (230, 230, 230), (255, 220, 0), (230, 20, 50))
_BOXES = ((235, 20, 50), (20, 60, 200), (0, 0, 0), (240, 240, 240), (20, 140, 60))


@dataclasses.dataclass(frozen=True)
class Sign:
  """A line of text, with or without a box behind it.

  Attributes:
    text: the characters.
    x: where the text begins, from 0 (left) to 1.
    y: its base line, from 0 (top) to 1.
    size: height of a capital letter, of the frame's shorter side.
    font: one of OpenCV's.
    color: sRGB codes.
    box: sRGB codes of the box, or None.
  """

  text: str
  x: float
  y: float
  size: float
  font: int
  color: tuple[int, int, int]
  box: tuple[int, int, int] | None


@dataclasses.dataclass(frozen=True)
class Overlay:
  """Black bars and signs of one clip.

  Attributes:
    top: height of the bar at the top, of the frame's; the one at the bottom is as high.
    side: width of the bars left and right, of the frame's.
    signs: drawn over picture and bars, in order.
  """

  top: float = 0.0
  side: float = 0.0
  signs: tuple[Sign, ...] = ()


def draw_overlay(rng: np.random.Generator, *, bars: float, graphics: float) -> Overlay:
  """Draws bars, and one to four signs, each with its probability."""
  top = side = 0.0
  if rng.random() < bars:
    width = float(rng.uniform(0.04, 0.2))
    top, side = (width, 0.0) if rng.random() < 0.75 else (0.0, width)
  signs = []
  if rng.random() < graphics:
    for _ in range(int(rng.integers(1, 5))):
      text = "".join(rng.choice(list(_LETTERS), int(rng.integers(2, 11))).tolist())
      signs.append(
        Sign(
          text=text,
          x=float(rng.uniform(0, 0.8)),
          y=float(rng.uniform(0.06, 0.98)),
          size=float(rng.uniform(0.025, 0.09)),
          font=_FONTS[rng.integers(len(_FONTS))],
          color=_COLORS[rng.integers(len(_COLORS))],
          box=_box(rng) if rng.random() < 0.5 else None,
        )
      )
  return Overlay(top, side, tuple(signs))


def _box(rng: np.random.Generator) -> tuple[int, int, int]:
  """One of the usual colours, or any."""
  if rng.random() < 0.5:
    return _BOXES[rng.integers(len(_BOXES))]
  red, green, blue = rng.integers(0, 256, 3).tolist()
  return red, green, blue


def rasterise(
  overlay: Overlay, shape: tuple[int, int]
) -> tuple[Frame8, UInt8[np.ndarray, "h w 1"]] | None:
  """Colours, and how much they cover of what is below (255: all of it); None covers nothing."""
  if not (overlay.top or overlay.side or overlay.signs):
    return None
  height, width = shape
  colors, cover = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
  for share, axis in ((overlay.top, 0), (overlay.side, 1)):
    if bar := round(share * shape[axis]):
      rolled = np.moveaxis(cover, axis, 0)
      rolled[:bar] = rolled[-bar:] = 255
  for sign in overlay.signs:
    capital = sign.size * min(shape)
    scale = capital / 21  # OpenCV's capitals have about 21 pixels at a scale of 1
    thickness = max(1, round(capital / 8))
    (across, up), down = cv2.getTextSize(sign.text, sign.font, scale, thickness)
    x, y = round(sign.x * width), round(sign.y * height)
    if sign.box is not None:
      edge = max(2, round(capital / 3))
      corners = (x - edge, y - up - edge), (x + across + edge, y + down)
      cv2.rectangle(colors, *corners, sign.box, cv2.FILLED)
      cv2.rectangle(cover, *corners, 255, cv2.FILLED)
    letters = np.zeros_like(cover)
    cv2.putText(letters, sign.text, (x, y), sign.font, scale, 255, thickness, cv2.LINE_AA)
    # Half-covered edges of letters mix with the box where there is one, else with the picture.
    ink = letters[..., None].astype(np.float32) / 255
    boxed = cover[..., None] == 255
    mixed = colors * (1 - ink) + np.asarray(sign.color, np.float32) * ink
    colors = np.where(boxed, mixed, np.where(ink > 0, sign.color, colors)).astype(np.uint8)
    cover = np.maximum(cover, letters)
  return colors, cover[..., None]


def lay_over(frame: Frame8, over: tuple[Frame8, UInt8[np.ndarray, "h w 1"]] | None) -> Frame8:
  """The frame with what `rasterise` made on top of it."""
  if over is None:
    return frame
  colors, cover = over
  share = cover.astype(np.float32) / 255
  return np.round(frame * (1 - share) + colors * share).astype(np.uint8)
