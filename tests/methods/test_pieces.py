"""Streams cut into pieces."""

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.methods.pieces import batches, windows


def frames(count: int) -> list[np.ndarray]:
  return [np.full((1, 1, 1), index, np.float32) for index in range(count)]


def numbers(piece) -> list[int]:
  return piece.frames.ravel().astype(int).tolist()


def test_batches_are_filled_up_with_the_last_frame() -> None:
  pieces = list(batches(iter(frames(5)), 3))
  assert [numbers(piece) for piece in pieces] == [[0, 1, 2], [3, 4, 4]]
  assert [piece.frames[piece.kept].ravel().tolist() for piece in pieces] == [[0, 1, 2], [3, 4]]


def test_a_new_shot_begins_a_new_batch() -> None:
  shots = {2, 3, 7}
  pieces = list(batches(iter(frames(9)), 3, lambda frame: int(frame.item()) in shots))
  assert [piece.frames[piece.kept].ravel().tolist() for piece in pieces] == [
    [0, 1],
    [2],
    [3, 4, 5],
    [6],
    [7, 8],
  ]
  assert [piece.anew for piece in pieces] == [False, True, True, False, True]
  assert {len(piece.frames) for piece in pieces} == {3}


@pytest.mark.parametrize("halo", [1, 2, 3])
@pytest.mark.parametrize("count", [*range(1, 25), 60])
def test_windows_keep_every_frame_once_with_its_context(count: int, halo: int) -> None:
  size = 8
  kept = []
  for piece in windows(iter(frames(count)), size, halo=halo):
    shown = numbers(piece)
    assert len(shown) == min(size, count)
    for number in piece.frames[piece.kept].ravel().astype(int):
      around = range(max(0, number - halo), min(count, number + halo + 1))
      assert set(around) <= set(shown)
      kept.append(int(number))
  assert kept == list(range(count))


def test_too_few_frames_are_refused() -> None:
  with pytest.raises(UserError, match=r"expected 5 frames at least, .* found 4"):
    list(windows(frames(4), 8, halo=1, least=5))
