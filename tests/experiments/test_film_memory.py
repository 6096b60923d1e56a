import pytest

from experiments.benchmarks import film_memory
from llve_jax.io.video import read_frames


def test_a_long_film_is_a_short_one_over_and_over(tmp_path, monkeypatch):
  monkeypatch.setattr(film_memory, "_DRAWN", 4)
  film_memory.make(tmp_path / "film.mp4", 10, (32, 16))
  frames = list(read_frames(tmp_path / "film.mp4"))
  assert [frame.time for frame in frames] == pytest.approx([index / 25 for index in range(10)])
  assert (frames[9].image == frames[1].image).all()
  assert (frames[2].image != frames[1].image).any()
