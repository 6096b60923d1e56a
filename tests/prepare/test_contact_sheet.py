import base64
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import skimage.exposure

from llve_jax.prepare import contact_sheet


def _pictures(page):
  found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
  return [
    cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR_RGB)
    for data in found
  ]


def test_a_pair_is_four_pictures_in_the_page_itself(tmp_path):
  rng = np.random.default_rng(0)
  high = cv2.GaussianBlur(rng.integers(0, 256, (200, 640, 3), np.uint8), (0, 0), 9)
  high = cv2.normalize(high, None, 0, 255, cv2.NORM_MINMAX)
  low = high // 10
  figure = contact_sheet.figure("pair <0>", low, high)
  contact_sheet.write(tmp_path / "sheet.html", [contact_sheet.section("a&b", [figure])])
  page = (tmp_path / "sheet.html").read_text()
  bright, target, squares, difference = _pictures(page)
  assert bright.shape == (100, 320, 3)
  assert abs(bright.mean() - target.mean()) < 8  # brightened
  assert abs(squares.mean() - target.mean()) < 8
  assert difference.mean() < 16
  assert "pair &lt;0&gt;" in page
  assert "a&amp;b" in page
  assert not re.search(r"https?:|<script", page)
  HTMLParser().feed(page)


def test_file_names_are_escaped():
  record = {"what": "still", "file": '<img src="x">.png', "reason": "a < b"}
  text = contact_sheet.rejections([record])
  assert "<img" not in text
  assert "&lt;img src=&quot;x&quot;&gt;.png: a &lt; b" in text
  assert contact_sheet.rejections([]) == ""


def test_match_tones_agrees_with_scikit_image():
  rng = np.random.default_rng(0)
  picture = rng.integers(0, 30, (60, 50, 3), np.uint8)
  target = rng.integers(0, 256, (60, 50, 3), np.uint8)
  expected = skimage.exposure.match_histograms(picture, target, channel_axis=-1)
  found = contact_sheet.match_tones(picture, target)
  assert np.abs(found.astype(float) - expected).max() <= 1


def test_checkerboard():
  first, second = np.zeros((4, 6, 3), np.uint8), np.full((4, 6, 3), 9, np.uint8)
  board = contact_sheet.checkerboard(first, second, 2)[..., 0]
  np.testing.assert_array_equal(board[0], [0, 0, 9, 9, 0, 0])
  np.testing.assert_array_equal(board[2], [9, 9, 0, 0, 9, 9])
