import numpy as np

from experiments.benchmarks.still_scene import colors, still
from llve_jax.methods.classic import Classic

SCENE = np.full((8, 12, 3), 60, np.uint8)


def test_the_scene_stands_still_and_its_noise_does_not():
  frames = np.stack(list(still(SCENE, 40))).astype(float)
  assert np.abs(frames.mean(0) - 60).max() < 2
  assert 1.8 < frames.std() < 2.2
  assert np.any(frames[0] != frames[1])


def test_drift_is_seen_and_noise_is_none():
  found = colors(Classic("input"), SCENE, 120)
  assert found.shape == (2, 3)
  assert np.linalg.norm(found[1] - found[0]) < 0.1

  class Drifting(Classic):
    def stream(self, frames, **further):
      for number, frame in enumerate(super().stream(frames, **further)):
        yield frame + np.uint8(number // 10)

  moved = colors(Drifting("input"), SCENE, 120)
  assert moved[1, 0] - moved[0, 0] > 1  # five codes of grey
