"""What the runner makes of arrays, and how long a frame takes by its clock."""

import numpy as np
import pytest

from llve_jax.export import fixed_size_runner


class Clock:
  """A runtime that doubles frames, counts them, and says how long each call takes."""

  def __init__(self, *seconds: float):
    self.now, self._seconds = 0.0, iter(seconds)

  def __call__(self, name, inputs):
    self.now += next(self._seconds)
    if name == "serving_default":
      return {key: 2 * value for key, value in inputs.items()}
    return {"frame": 2 * inputs["frame"], "carry_seen": inputs.get("carry_seen", 0) + 1}


@pytest.mark.parametrize(
  ("way", "shape", "seconds", "each"),
  [
    ("serving_default", (3, 2, 4, 5, 3), [6.0], 1.0),
    ("planes", (1, 9, 4, 5), [6.0], 6.0),
    ("next", (2, 4, 4, 5, 3), [100.0, 2.0, 4.0, 30.0], 2.0),  # the first one starts
  ],
)
def test_frames_and_the_median_of_their_seconds(monkeypatch, way, shape, seconds, each):
  given = np.random.default_rng(0).random(shape, np.float32)
  clock = Clock(*seconds)
  monkeypatch.setattr(fixed_size_runner.time, "perf_counter", lambda: clock.now)
  found, took = fixed_size_runner.apply(clock, way, given)
  np.testing.assert_array_equal(found, 2 * given)
  assert took == pytest.approx(each)
