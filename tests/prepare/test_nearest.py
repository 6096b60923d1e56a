import numpy as np

from llve_jax.io.images import read_image
from llve_jax.prepare.grey import grey
from llve_jax.prepare.match import Matches
from llve_jax.prepare.nearest import nearest


def test_matches_that_are_a_frame_off_are_put_right(filmed):
  folder, truth = filmed
  stills = [grey(read_image(folder / "stills" / f"{number:04d}.png")) for number in range(6)]
  right = [truth.nearest(number) for number in range(6)]
  off = [frame + step for frame, step in zip(right, [-1, 1, 0, 2, -2, 1], strict=True)]
  guess = Matches(tuple(np.clip(off, 0, 15).tolist()), reverse=True)
  options = {"blur": 1.0, "limit": 0.06, "min_step": 0}
  found = nearest(folder / "dark.mp4", guess, stills, **options)
  assert found == Matches(tuple(right), reverse=True)
  partly = Matches((None, *guess.frames[1:]), reverse=True)
  assert nearest(folder / "dark.mp4", partly, stills, **options).frames == (None, *right[1:])
