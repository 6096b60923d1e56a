import dataclasses
import weakref

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.errors import UserError
from llve_jax.methods.classic import CLASSIC
from llve_jax.metrics import protocols
from llve_jax.metrics.temporal import brightness, clip_scores
from llve_jax.score.score import clip_key, mean_brightness, on_frames, score, score_all

PLAIN = protocols.get("plain")
INPUT = on_frames(CLASSIC["input"])


@dataclasses.dataclass(frozen=True)
class Clip:
  name: str
  variant: int
  low: np.ndarray
  high: np.ndarray
  light: np.ndarray | None = None
  fps: float = 25.0


def make_clip(name: str, variant: int, frames: int) -> Clip:
  random = np.random.default_rng([frames, variant])
  high = random.integers(0, 256, (frames, 16, 24, 3)).astype(np.uint8)
  return Clip(name, variant, high // 4, high)


def test_scores_equal_tensorflow_averaged_over_frames_then_clips():
  clips = [make_clip("a", 0, 3), make_clip("a", 1, 5)]
  methods = {"input": INPUT, "half": lambda: lambda clip: clip.low // 2}
  report = score(methods, clips, PLAIN, headline="half", about={"split": "test"})
  for name, divisor in (("input", 1), ("half", 2)):
    psnr = [tf.image.psnr(clip.low // divisor, clip.high, 255).numpy().mean() for clip in clips]
    ssim = [
      tf.image.ssim(tf.constant(clip.low // divisor), tf.constant(clip.high), 255).numpy().mean()
      for clip in clips
    ]
    assert report.means(name)["psnr"] == pytest.approx(np.mean(psnr), abs=1e-4)
    assert report.means(name)["ssim"] == pytest.approx(np.mean(ssim), abs=1e-5)
  assert report.headline == "half"
  assert report.to_json()["about"] == {"split": "test"}
  assert [(row.clip, row.frame) for row in report.rows if row.method == "half"] == [
    ("a_0", "0"),
    ("a_0", "1"),
    ("a_0", "2"),
    *(("a_1", str(frame)) for frame in range(5)),
  ]


def test_float_results_are_kept_for_protocols_that_take_them():
  clip = make_clip("a", 0, 3)
  seen = np.clip(np.float32(3.7) * clip.low.astype(np.float32) / 255, 0, 1)
  methods = {"net": lambda: lambda clip: seen, "input": INPUT}
  chosen = [PLAIN, protocols.get("plain_float")]
  plain, plain_float = score_all(methods, [clip], chosen)
  saved = np.rint(255 * seen).astype(np.uint8)
  for report, pred in ((plain, saved / 255), (plain_float, seen)):
    psnr = tf.image.psnr(pred.astype(np.float32), clip.high.astype(np.float32) / 255, 1.0)
    assert report.means("net")["psnr"] == pytest.approx(psnr.numpy().mean(), abs=1e-4)
  assert plain.means("net") != plain_float.means("net")
  assert plain.means("input") == plain_float.means("input")


def test_every_protocol_selects_its_frames_of_one_run():
  clip = make_clip("a", 0, 6)
  runs = []

  def method(clip: Clip) -> np.ndarray:
    runs.append(len(clip.low))
    return clip.low

  chosen = [PLAIN, protocols.get("frame5")]
  plain, fifth = score_all({"input": lambda: method}, [clip], chosen, temporal=True)
  assert runs == [6]
  assert [row.frame for row in fifth.rows] == ["4"]
  assert fifth.rows[0].scores == pytest.approx(dict(plain.rows[4].scores))
  expected = clip_scores(clip.low, clip.high)
  assert plain.clip_scores["input", "a_0"] == fifth.clip_scores["input", "a_0"] == expected
  with pytest.raises(UserError, match=r"clip a_0: protocol frame5 .*has 4 frame"):
    score_all({"input": lambda: method}, [make_clip("a", 0, 4)], chosen)


def test_every_clip_gets_a_fresh_method():
  """A gain remembered from the dark clip would make the second one too bright."""
  dark, bright = make_clip("dark", 0, 2), make_clip("bright", 0, 2)
  dark = dataclasses.replace(dark, low=dark.low // 8)
  gain = on_frames(CLASSIC["auto_gain"])
  alone = score({"gain": gain}, [bright], PLAIN).clip_means("gain")["bright_0"]
  after = score({"gain": gain}, [dark, bright], PLAIN).clip_means("gain")
  assert after["bright_0"] == alone
  kept = gain()
  shared = score({"gain": lambda: kept}, [dark, bright], PLAIN).clip_means("gain")
  assert shared["bright_0"] != alone


def test_one_clip_is_in_memory_at_a_time():
  alive: list[weakref.ref] = []

  def clips():
    for variant in range(3):
      clip = make_clip("a", variant, 2)
      alive.append(weakref.ref(clip.high))
      yield clip
      del clip

  seen = []

  def method(clip: Clip) -> np.ndarray:
    seen.append(sum(reference() is not None for reference in alive))
    return clip.low

  score({"input": lambda: method}, clips(), PLAIN)
  assert seen == [1, 1, 1]


def test_nothing_to_score_is_an_error():
  with pytest.raises(ValueError, match="no clip"):
    score({"input": INPUT}, [], PLAIN)
  with pytest.raises(ValueError, match="at least one method"):
    score({}, [make_clip("a", 0, 1)], PLAIN)
  with pytest.raises(ValueError, match="one protocol"):
    score_all({"input": INPUT}, [make_clip("a", 0, 1)], [])


def test_a_method_that_changes_the_shape_is_named():
  with pytest.raises(ValueError, match=r"crop on clip a_0 gave \(2, 15, 24, 3\)"):
    score({"crop": lambda: lambda clip: clip.low[:, 1:]}, [make_clip("a", 0, 2)], PLAIN)


def test_the_key_tells_variants_apart():
  assert clip_key(make_clip("bikes", 3, 1)) == "bikes_3"


def test_who_watches_sees_every_result_as_saved():
  clips = [make_clip("a", 0, 2), make_clip("b", 0, 3)]
  floats = {clip.name: clip.high.astype(np.float32) / 255 + 1e-4 for clip in clips}
  seen = {}
  score(
    {"input": INPUT, "net": lambda: lambda clip: floats[clip.name]},
    clips,
    protocols.get("plain_float"),
    watch=lambda name, clip, frames: seen.setdefault((name, clip_key(clip)), frames),
  )
  assert list(seen) == [("input", "a_0"), ("net", "a_0"), ("input", "b_0"), ("net", "b_0")]
  np.testing.assert_array_equal(seen["net", "b_0"], clips[1].high)
  np.testing.assert_array_equal(seen["input", "a_0"], clips[0].low)


def test_a_clip_of_one_frame_has_no_temporal_metrics():
  clips = [make_clip("a", 0, 1), make_clip("b", 0, 3)]
  (report,) = score_all({"input": INPUT}, clips, [PLAIN], temporal=True)
  assert report.clip_metrics == []
  (report,) = score_all({"input": INPUT}, clips[1:], [PLAIN], temporal=True)
  assert "flicker" in report.clip_metrics


def test_mean_brightness_is_that_of_the_metrics():
  frames = make_clip("a", 0, 4).high
  expected = np.asarray(brightness(jnp.asarray(frames, jnp.float32) / 255)).mean((1, 2)) / 255
  np.testing.assert_allclose(mean_brightness(frames), expected, rtol=1e-5)
