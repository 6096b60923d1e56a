import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.data.clips import EvalClip
from llve_jax.errors import UserError
from llve_jax.metrics import protocols
from llve_jax.metrics.temporal import brightness_flicker
from llve_jax.models.contract import Traits
from llve_jax.score.held_out import Scorer, preview, shorten, thin

PLAIN = protocols.get("plain")
FRAME5 = protocols.get("frame5")


class Brighten(nn.Module):
  traits = Traits(stride=1, receptive_field=1)

  @nn.compact
  def __call__(self, clip: jnp.ndarray, *, train: bool = False) -> dict[str, jnp.ndarray]:
    return {"clip": clip * self.param("gain", nn.initializers.ones, ())}


class Accumulate(nn.Module):
  """Shows the sum of all frames so far."""

  traits = Traits(stride=1, receptive_field=1, streaming=True)

  @nn.compact
  def __call__(self, clip: jnp.ndarray, carry: jnp.ndarray | None = None) -> dict[str, jnp.ndarray]:
    gain = self.param("gain", nn.initializers.ones, ())
    total = jnp.cumsum(gain * clip, axis=1) + (0.0 if carry is None else carry[:, None])
    return {"clip": total, "carry": total[:, -1]}


def clip(frames: int) -> EvalClip:
  rng = np.random.default_rng(0)
  # One scene: between frames that share nothing a memory is dropped.
  low = rng.integers(0, 90, (16, 20, 3)) + rng.integers(0, 10, (frames, 16, 20, 3))
  low = low.astype(np.uint8)
  return EvalClip("street", 1, 25.0, low, 2 * low)


def test_thin_spreads_the_frames_and_keeps_pairs() -> None:
  (kept,) = thin([clip(9)], PLAIN, 3)
  np.testing.assert_array_equal(kept.low, clip(9).low[[0, 4, 8]])
  np.testing.assert_array_equal(kept.high, 2 * kept.low)
  assert len(next(thin([clip(9)], PLAIN, 0)).low) == 9


def test_thin_takes_its_frames_from_those_that_the_protocol_compares() -> None:
  (kept,) = thin([clip(9)], FRAME5, 3)
  np.testing.assert_array_equal(kept.low, clip(9).low[[4]])
  (kept,) = thin([clip(50)], protocols.get("first30"), 2)
  np.testing.assert_array_equal(kept.low, clip(50).low[[0, 29]])
  with pytest.raises(UserError, match="street_1: protocol frame5"):
    list(thin([clip(4)], FRAME5, 3))


def test_shorten_keeps_the_beginning() -> None:
  for protocol, frames, expected in ((PLAIN, 3, 3), (PLAIN, 0, 9), (FRAME5, 3, 7), (FRAME5, 0, 5)):
    (kept,) = shorten([clip(9)], protocol, frames)
    np.testing.assert_array_equal(kept.low, clip(9).low[:expected])


def test_scores_follow_the_variables() -> None:
  """PSNR of low against 2 * low by numpy, and of the network that doubles."""
  scorer = Scorer(Brighten(), lambda: [clip(4)], batch=3)
  metrics, pictures = scorer({"params": {"gain": jnp.array(1.0)}})
  low = clip(4).low.astype(np.float64) / 255
  expected = np.mean([-10 * np.log10(np.mean(frame**2)) for frame in low])
  np.testing.assert_allclose(metrics["psnr"], expected, rtol=1e-5)
  assert pictures.keys() == {"preview", "street_1"}
  np.testing.assert_array_equal(pictures["preview"][:, :, :20], clip(4).low)
  np.testing.assert_array_equal(pictures["preview"][:, :, -20:], clip(4).high)
  assert pictures["street_1"].dtype == np.uint8
  assert scorer({"params": {"gain": jnp.array(2.0)}})[0]["psnr"] == np.inf
  assert metrics.keys() == {"psnr", "ssim"}


def test_frames_that_a_protocol_leaves_out_are_left_out_once() -> None:
  scorer = Scorer(Brighten(), lambda: [clip(9)], protocol="frame5")
  metrics, _ = scorer({"params": {"gain": jnp.array(1.0)}})
  low = clip(9).low[4] / 255
  np.testing.assert_allclose(metrics["psnr"], -10 * np.log10(np.mean(low**2)), rtol=1e-5)


def test_a_preview_is_bounded_and_a_single_frame_has_none() -> None:
  frames = np.zeros((50, 90, 400, 3), np.uint8)
  assert preview(frames, frames, frames).shape == (40, 54, 720, 3)
  _, pictures = Scorer(Brighten(), lambda: [clip(1)])({"params": {"gain": jnp.array(1.0)}})
  assert pictures.keys() == {"street_1"}


@pytest.mark.parametrize("protocol", ["plain", "frame5"])
def test_a_network_that_remembers_sees_the_frames_before(protocol: str) -> None:
  scorer = Scorer(Accumulate(), lambda: [clip(9)], batch=2, max_frames=2, protocol=protocol)
  metrics, pictures = scorer({"params": {"gain": jnp.array(0.1003)}})
  count = 2 if protocol == "plain" else 6
  low = clip(9).low[:count].astype(np.float64) / 255
  saved = np.rint(255 * np.clip(np.cumsum(0.1003 * low, axis=0), 0, 1)) / 255
  compared = slice(0, 2) if protocol == "plain" else slice(4, 5)
  errors = np.mean((saved - 2 * low)[compared] ** 2, axis=(1, 2, 3))
  np.testing.assert_allclose(metrics["psnr"], np.mean(-10 * np.log10(errors)), rtol=1e-4)
  expected = brightness_flicker(*(jnp.asarray(c[None], jnp.float32) for c in (saved, 2 * low)))[0]
  np.testing.assert_allclose(metrics["flicker"], float(expected), rtol=1e-3)
  # The picture is of the run that was scored, so it has the memory too.
  middle = np.rint(255 * saved[count // 2])
  shown = pictures["street_1"][-16:, 24:44].astype(float)  # the second column, after a gap of 4
  np.testing.assert_allclose(shown, middle, atol=1)
