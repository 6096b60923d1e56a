"""A page that shows every pair at a glance: is the bright side really the dark one's target?

The page holds its pictures in itself and needs neither scripts nor the net.
"""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from llve_jax.io.atomic import replacing
from llve_jax.prepare.scene_log import Record
from llve_jax.shapes import Frame8

_WIDTH = 320
_SQUARE = 40
_STYLE = (
  "body{font:14px sans-serif;margin:2em}figure{margin:0 0 1.5em}img{width:320px;margin-right:6px}"
  "figcaption{margin-bottom:4px}.rejected{color:#a00}"
)


def figure(caption: str, low: Frame8, high: Frame8) -> str:
  """One pair as HTML: the dark picture brightened, the target, squares of both, their difference.

  Where the squares' edges cut a contour in two, the pair is not aligned.
  """
  dark, target = _thumbnail(low), _thumbnail(high)
  bright = match_tones(dark, target)
  views = {
    "input, brightened for view": bright,
    "target": target,
    "squares of both": checkerboard(bright, target, _SQUARE),
    "difference": cv2.absdiff(bright, target),
  }
  pictures = "".join(_picture(title, picture) for title, picture in views.items())
  return f"<figure><figcaption>{html.escape(caption)}</figcaption>{pictures}</figure>\n"


def rejections(records: Sequence[Record]) -> str:
  """The rejected files as an HTML list; empty if there are none."""
  if not records:
    return ""
  items = "".join(
    f"<li>{html.escape(str(record['what']))} {html.escape(str(record['file']))}: "
    f"{html.escape(str(record['reason']))}</li>\n"
    for record in records
  )
  return f'<ul class="rejected">\n{items}</ul>\n'


def section(scene: str, parts: Sequence[str]) -> str:
  """A scene: its name above its figures and lists."""
  return f"<h2>{html.escape(scene)}</h2>\n{''.join(parts)}"


def write(path: Path, sections: Sequence[str]) -> None:
  """Writes the page; whole or not at all."""
  page = (
    '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Contact sheet</title>\n'
    f"<style>{_STYLE}</style>\n<h1>Contact sheet</h1>\n{''.join(sections)}</html>\n"
  )
  with replacing(path) as temporary:
    temporary.write_text(page, encoding="utf-8")


def match_tones(picture: Frame8, target: Frame8) -> Frame8:
  """Gives each channel of `picture` the histogram of the target's, for the eye only."""
  matched = np.empty_like(picture)
  for channel in range(3):
    shares = [
      np.cumsum(np.bincount(image[..., channel].ravel(), minlength=256)) / image[..., 0].size
      for image in (picture, target)
    ]
    curve = np.interp(shares[0], shares[1], np.arange(256))
    matched[..., channel] = np.rint(curve)[picture[..., channel]]
  return matched


def checkerboard(first: Frame8, second: Frame8, square: int) -> Frame8:
  """Squares of `first` and of `second` in turn."""
  y, x = np.indices(first.shape[:2]) // square
  return np.where(((x + y) % 2 == 0)[..., None], first, second)


def _thumbnail(image: Frame8) -> Frame8:
  height, width = image.shape[:2]
  if width <= _WIDTH:
    return image
  size = (_WIDTH, max(1, round(height * _WIDTH / width)))
  return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _picture(title: str, image: Frame8) -> str:
  bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
  encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
  data = base64.b64encode(encoded.tobytes()).decode()
  return f'<img alt="{title}" title="{title}" src="data:image/jpeg;base64,{data}">'
