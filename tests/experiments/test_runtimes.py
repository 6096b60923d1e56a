import numpy as np
import pytest

from experiments.benchmarks import runtimes
from llve_jax.export.options import Options
from llve_jax.io.video import write_video
from tests.export.conftest import gain, trail  # noqa: F401

CLIP = np.random.default_rng(0).random((1, 6, 4, 5, 3), dtype=np.float32)


class Clock:
  """A runtime that takes as long as it says, by a clock that it moves itself."""

  now = 0.0

  def __init__(self, milliseconds: float, key: str, error: float = 0.0):
    self.seconds, self.key, self.error, self.seen = milliseconds / 1000, key, error, []

  def __call__(self, name, inputs):
    Clock.now += self.seconds
    self.seen.append((name, sorted(inputs)))
    return {self.key: inputs[self.key] + self.error, "carry_x": np.zeros(1, np.float32)}


@pytest.fixture(autouse=True)
def own_clock(monkeypatch):
  monkeypatch.setattr(runtimes.time, "perf_counter", lambda: Clock.now)


@pytest.mark.parametrize(("other", "met"), [(8.0, True), (7.6, False), (30.0, True)])
def test_the_bar_is_judged_by_medians(other, met):
  calls = {"JAX": Clock(10.0, "frame"), "other": Clock(other, "frame", error=0.25)}
  jax, second, bar = runtimes.race(calls, CLIP, 1, streaming=True, frames=4)
  assert jax.split()[:3] == ["JAX", "10.0", "ms"]
  assert f"{10 / other:.2f} x JAX" in second
  assert second.endswith("2.5e-01")
  assert bar == f"the bar of 1.3 is {'met' if met else 'missed'}"


def test_a_memory_goes_back_in():
  call = Clock(1.0, "frame")
  runtimes.race({"JAX": call}, CLIP, 1, streaming=True, frames=2)
  assert call.seen[0] == ("start", ["frame"])
  assert call.seen[1:] == [("next", ["carry_x", "frame"])] * 4


def test_a_window_costs_what_its_frames_cost():
  class Window(Clock):
    def __call__(self, name, inputs):
      assert (name, inputs["clip"].shape) == ("serving_default", (1, 3, 4, 5, 3))
      return {"clip": super().__call__(name, inputs)["clip"]}

  (line, _) = runtimes.race({"JAX": Window(9.0, "clip")}, CLIP, 3, streaming=False, frames=5)
  assert line.split()[1] == "3.0"


def test_jax_runs_what_is_exported(trail):  # noqa: F811
  call = runtimes.in_jax(trail, (1, 1, 4, 5))
  video = runtimes.Video(call, streaming=True)
  first, second = video.take(CLIP[:, 0]), video.take(CLIP[:, 1])
  np.testing.assert_allclose(first, CLIP[:, 0], atol=1e-6)
  np.testing.assert_allclose(second, 0.5 * (CLIP[:, 0] + CLIP[:, 1]), atol=1e-6)


def test_frames_are_drawn_or_those_of_a_video(tmp_path, gain):  # noqa: F811
  assert runtimes.clip_of(gain, (1, 1, 6, 8), None).shape == (1, 8, 6, 8, 3)
  write_video(tmp_path / "dark.mp4", np.full((9, 16, 16, 3), 20, np.uint8), 25)
  video = runtimes.clip_of(gain, (1, 1, 6, 8), str(tmp_path / "dark.mp4"))
  assert video.shape == (1, 9, 6, 8, 3)
  assert abs(video.mean() - 20 / 255) < 0.01
  assert Options().video is None
