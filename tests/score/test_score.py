import dataclasses
import weakref
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from llve_jax.data.clips import EvalClip
from llve_jax.errors import UserError
from llve_jax.methods.classic import Classic
from llve_jax.methods.method import Method
from llve_jax.metrics import protocols
from llve_jax.metrics.whole_clip import clip_scores
from llve_jax.score.score import clip_key, score, score_all, taken_by

PLAIN = protocols.get("plain")
INPUT = Classic("input")


class Plain(Method):
  """A method that is a function of whole clips."""

  def __init__(self, name: str, function: Callable[[np.ndarray], np.ndarray]):
    self.name, self._function = name, function
    self.asked: list[bool] = []

  def stream(self, frames, *, rounded=True):
    return iter(self(np.stack(list(frames)), rounded=rounded))

  def __call__(self, frames: np.ndarray, *, rounded: bool = True) -> np.ndarray:
    self.asked.append(rounded)
    return self._function(frames)


def make_clip(name: str, variant: int, frames: int) -> EvalClip:
  random = np.random.default_rng([frames, variant])
  high = random.integers(0, 256, (frames, 16, 24, 3)).astype(np.uint8)
  return EvalClip(name, variant, 25.0, high // 4, high)


def test_scores_equal_tensorflow_averaged_over_frames_then_clips():
  clips = [make_clip("a", 0, 3), make_clip("a", 1, 5)]
  methods = [INPUT, Plain("half", lambda low: low // 2)]
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
  methods = [Plain("net", lambda low: seen), INPUT]
  chosen = [PLAIN, protocols.get("plain_float")]
  plain, plain_float = score_all(methods, [clip], chosen)
  score(methods[:1], [clip], PLAIN)
  assert methods[0].asked == [False, True]
  saved = np.rint(255 * seen).astype(np.uint8)
  for report, pred in ((plain, saved / 255), (plain_float, seen)):
    psnr = tf.image.psnr(pred.astype(np.float32), clip.high.astype(np.float32) / 255, 1.0)
    assert report.means("net")["psnr"] == pytest.approx(psnr.numpy().mean(), abs=1e-4)
  assert plain.means("net") != plain_float.means("net")
  assert plain.means("input") == pytest.approx(plain_float.means("input"))


def test_every_protocol_selects_its_frames_of_one_run():
  clip = make_clip("a", 0, 6)
  runs = []

  def noted(low: np.ndarray) -> np.ndarray:
    runs.append(len(low))
    return low

  method = Plain("input", noted)
  chosen = [PLAIN, protocols.get("frame5")]
  plain, fifth = score_all([method], [clip], chosen, temporal=True)
  assert runs == [6]
  assert [row.frame for row in fifth.rows] == ["4"]
  assert fifth.rows[0].scores == pytest.approx(dict(plain.rows[4].scores))
  expected = clip_scores(clip.low, clip.high)
  assert plain.clip_scores["input", "a_0"] == fifth.clip_scores["input", "a_0"] == expected
  with pytest.raises(UserError, match=r"clip a_0: protocol frame5 .*has 4 frame"):
    score_all([method], [make_clip("a", 0, 4)], chosen)


def test_every_clip_is_a_video_of_its_own():
  """A gain remembered from the dark clip would make the second one too bright."""
  dark, bright = make_clip("dark", 0, 2), make_clip("bright", 0, 2)
  dark = dataclasses.replace(dark, low=dark.low // 8)
  gain = Classic("auto_gain")
  alone = score([gain], [bright], PLAIN).clip_means("auto_gain")["bright_0"]
  after = score([gain], [dark, bright], PLAIN).clip_means("auto_gain")
  assert after["bright_0"] == alone


def test_a_method_gets_the_kind_of_frames_that_it_takes():
  light = np.zeros((1, 8, 12, 4), np.float32)
  clip = dataclasses.replace(make_clip("a", 0, 1), light=light, kind="bayer")
  network = Plain("network", lambda frames: frames)
  assert taken_by(network, clip) is clip.low
  network.takes = "bayer"
  assert taken_by(network, clip) is light
  assert taken_by(network, make_clip("a", 0, 1)).dtype == np.uint8


def test_one_clip_is_in_memory_at_a_time():
  alive: list[weakref.ref] = []

  def clips():
    for variant in range(3):
      clip = make_clip("a", variant, 2)
      alive.append(weakref.ref(clip.high))
      yield clip
      del clip

  seen = []

  def noted(low: np.ndarray) -> np.ndarray:
    seen.append(sum(reference() is not None for reference in alive))
    return low

  score([Plain("input", noted)], clips(), PLAIN)
  assert seen == [1, 1, 1]


def test_nothing_to_score_is_an_error():
  with pytest.raises(ValueError, match="no clip"):
    score([INPUT], [], PLAIN)
  with pytest.raises(ValueError, match="at least one method"):
    score([], [make_clip("a", 0, 1)], PLAIN)
  with pytest.raises(ValueError, match="one protocol"):
    score_all([INPUT], [make_clip("a", 0, 1)], [])


def test_a_method_that_changes_the_shape_is_named():
  with pytest.raises(ValueError, match=r"crop on clip a_0 gave \(2, 15, 24, 3\)"):
    score([Plain("crop", lambda low: low[:, 1:])], [make_clip("a", 0, 2)], PLAIN)


def test_a_clip_that_a_method_cannot_take_is_named():
  def refuse(low: np.ndarray) -> np.ndarray:
    raise UserError("too dark")

  with pytest.raises(UserError, match="clip a_0: too dark"):
    score([Plain("net", refuse)], [make_clip("a", 0, 2)], PLAIN)


def test_two_methods_of_one_name_are_an_error():
  with pytest.raises(ValueError, match="called the same"):
    score([INPUT, Plain("input", lambda low: low)], [make_clip("a", 0, 2)], PLAIN)


def test_the_key_tells_variants_apart():
  assert clip_key(make_clip("bikes", 3, 1)) == "bikes_3"


def test_who_watches_sees_every_result_as_saved():
  clips = [make_clip("a", 0, 2), make_clip("b", 0, 3)]
  floats = {len(clip.low): clip.high.astype(np.float32) / 255 + 1e-4 for clip in clips}
  seen = {}
  score(
    [INPUT, Plain("net", lambda low: floats[len(low)])],
    clips,
    protocols.get("plain_float"),
    watch=lambda name, clip, frames: seen.setdefault((name, clip_key(clip)), frames),
  )
  assert list(seen) == [("input", "a_0"), ("net", "a_0"), ("input", "b_0"), ("net", "b_0")]
  np.testing.assert_array_equal(seen["net", "b_0"], clips[1].high)
  np.testing.assert_array_equal(seen["input", "a_0"], clips[0].low)


def test_a_clip_of_one_frame_has_no_temporal_metrics():
  clips = [make_clip("a", 0, 1), make_clip("b", 0, 3)]
  (report,) = score_all([INPUT], clips, [PLAIN], temporal=True)
  assert report.clip_metrics == []
  (report,) = score_all([INPUT], clips[1:], [PLAIN], temporal=True)
  assert "flicker" in report.clip_metrics


def test_scenes_that_a_protocol_leaves_out_do_not_count_and_are_not_run():
  scenes = ("10003_0.1s", "10034_0.1s", "10172_0.04s")
  clips = [make_clip(name, 0, 2) for name in scenes]
  run = []
  net = Plain("net", lambda low: run.append(1) or low)
  both = [PLAIN, protocols.get("sid_sony")]
  reports = score_all([net], clips, both)
  assert [list(report.clip_means("net")) for report in reports] == [
    [f"{name}_0" for name in scenes],
    ["10003_0.1s_0"],
  ]
  run.clear()
  score([net], clips, both[1])
  assert len(run) == 1
  with pytest.raises(ValueError, match="no clip that protocol sid_sony takes"):
    score([net], clips[1:], both[1])


def test_static_scores_are_added_where_they_are_asked_for():
  (report,) = score_all([INPUT], [make_clip("a", 0, 3)], [PLAIN], static=True)
  assert report.clip_metrics == ["tpsnr", "tssim", "tmae"]
  assert report.means("input")["tmae"] > 0
  (both,) = score_all([INPUT], [make_clip("a", 0, 3)], [PLAIN], static=True, temporal=True)
  assert both.clip_metrics[-3:] == report.clip_metrics
  assert both.means("input")["warp_err"] > 0
