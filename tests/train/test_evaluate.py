import dataclasses
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.enhance.classic import CLASSIC
from llve_jax.errors import UserError
from llve_jax.metrics import protocols
from llve_jax.metrics.temporal import clip_scores
from llve_jax.train.evaluate import clip_key, frame_method, score, score_all

PLAIN = protocols.get("plain")


@dataclasses.dataclass(frozen=True)
class Clip:
  name: str
  variant: int
  low: np.ndarray
  high: np.ndarray


def make_clip(name: str, variant: int, frames: int) -> Clip:
  random = np.random.default_rng([frames, variant])
  high = random.integers(0, 256, (frames, 16, 24, 3)).astype(np.uint8)
  return Clip(name, variant, high // 4, high)


@pytest.mark.parametrize("frames", [1, 4, 5, 8, 11])
def test_a_network_sees_every_frame_once_and_only_one_batch_size(frames: int):
  clip = make_clip("a", 0, frames)
  shapes = []

  @jax.jit
  def apply(batch: jax.Array) -> dict[str, jax.Array]:
    shapes.append(batch.shape)  # runs when it is traced, so once per shape
    assert batch.dtype == jnp.float32
    return {"clip": 1.0 - batch}

  out = frame_method(apply, batch=4)(clip.low)
  assert out.dtype == np.uint8
  np.testing.assert_array_equal(out, 255 - clip.low)
  assert shapes == [(4, 1, 16, 24, 3)]


def test_the_network_may_return_the_clip_itself_and_is_clipped_and_rounded_as_a_file():
  frames = np.array([0, 100, 255], np.uint8).reshape(1, 1, 3, 1) * np.ones((1, 1, 1, 3), np.uint8)
  outputs = {-0.3: 0, 0.4 / 255: 0, 0.6 / 255: 1, 254.6 / 255: 255, 7.0: 255}
  for value, expected in outputs.items():
    method = frame_method(lambda clip, value=value: jnp.full_like(clip, value))
    np.testing.assert_array_equal(method(frames), np.full_like(frames, expected))


def test_scores_equal_tensorflow_averaged_over_frames_then_clips():
  clips = [make_clip("a", 0, 3), make_clip("a", 1, 5)]
  methods = {"input": CLASSIC["input"], "half": lambda: lambda frames: frames // 2}
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
  seen = frame_method(lambda batch: 3.7 * batch, batch=2, rounded=False)(clip.low)
  assert seen.dtype == np.float32
  expected = np.clip(np.float32(3.7) * clip.low.astype(np.float32) / 255, 0, 1)
  np.testing.assert_allclose(seen, expected, rtol=0, atol=1e-6)
  methods = {"net": lambda: lambda frames: seen, "input": CLASSIC["input"]}
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

  def method(frames: np.ndarray) -> np.ndarray:
    runs.append(len(frames))
    return frames

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
  alone = score({"gain": CLASSIC["auto_gain"]}, [bright], PLAIN).clip_means("gain")["bright_0"]
  after = score({"gain": CLASSIC["auto_gain"]}, [dark, bright], PLAIN).clip_means("gain")
  assert after["bright_0"] == alone
  kept = CLASSIC["auto_gain"]()
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

  def method(frames: np.ndarray) -> np.ndarray:
    seen.append(sum(reference() is not None for reference in alive))
    return frames

  score({"input": lambda: method}, clips(), PLAIN)
  assert seen == [1, 1, 1]


def test_nothing_to_score_is_an_error():
  with pytest.raises(ValueError, match="no clip"):
    score({"input": CLASSIC["input"]}, [], PLAIN)
  with pytest.raises(ValueError, match="at least one method"):
    score({}, [make_clip("a", 0, 1)], PLAIN)
  with pytest.raises(ValueError, match="one protocol"):
    score_all({"input": CLASSIC["input"]}, [make_clip("a", 0, 1)], [])


def test_a_method_that_changes_the_shape_is_named():
  with pytest.raises(ValueError, match=r"crop on clip a_0 gave \(2, 15, 24, 3\)"):
    score({"crop": lambda: lambda frames: frames[:, 1:]}, [make_clip("a", 0, 2)], PLAIN)


def test_the_key_tells_variants_apart():
  assert clip_key(make_clip("bikes", 3, 1)) == "bikes_3"
