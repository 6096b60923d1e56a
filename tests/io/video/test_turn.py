import itertools

import av
import numpy as np
import pytest

from llve_jax.io.video import read_frames, read_info
from llve_jax.io.video.turn import Turn, of_matrix

ONE, UNIT = 1 << 16, 1 << 30
STRAIGHT = list(itertools.product((1, -1), (0,), (0,), (1, -1)))
CROSSED = list(itertools.product((0,), (1, -1), (1, -1), (0,)))


def by_definition(image, a, b, c, d):
  """Every pixel (p, q) goes to (a p + c q, b p + d q), moved so that none is negative."""
  height, width = image.shape[:2]
  shown = np.zeros((height, width, 3) if a else (width, height, 3), image.dtype)
  q, p = np.mgrid[:height, :width]
  x, y = a * p + c * q, b * p + d * q
  shown[y - y.min(), x - x.min()] = image
  return shown


@pytest.mark.parametrize("matrix", STRAIGHT + CROSSED)
def test_all_eight_display_matrices(frames, encode, tmp_path, matrix):
  a, b, c, d = matrix
  plain = encode(tmp_path / "plain.mp4", frames[:3])
  with av.open(str(plain)) as source, av.open(str(tmp_path / "turned.mp4"), "w") as out:
    stream = out.add_stream_from_template(source.streams.video[0], opaque=True)
    stream.set_display_matrix([a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, UNIT])
    for packet in source.demux(source.streams.video[0]):
      if packet.size:
        packet.stream = stream
        out.mux(packet)
  info = read_info(tmp_path / "turned.mp4")
  assert (info.width, info.height) == ((64, 48) if a else (48, 64))
  for was, now in zip(read_frames(plain), read_frames(info.path), strict=True):
    np.testing.assert_array_equal(now.image, by_definition(was.image, a, b, c, d))


def test_words_and_odd_angles():
  assert str(Turn(columns=True)) == "mirrored left to right"
  assert not Turn()
  almost = [int(0.99 * ONE), 900, 0, -900, int(0.99 * ONE), 0, 0, 0, UNIT]
  assert of_matrix(np.array(almost, np.int32).tobytes()) == Turn()


def test_sixteen_bits_are_turned_too():
  image = np.arange(24, dtype=np.uint16).reshape(2, 4, 3)
  np.testing.assert_array_equal(
    Turn(True, True, False)(image), np.ascontiguousarray(np.rot90(image, -1))
  )
