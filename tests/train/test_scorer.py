import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from llve_jax.data.clips import EvalClip
from llve_jax.train.scorer import Scorer, thin


class Brighten(nn.Module):
  @nn.compact
  def __call__(self, clip: jnp.ndarray, *, train: bool = False) -> dict[str, jnp.ndarray]:
    return {"clip": clip * self.param("gain", nn.initializers.ones, ())}


def clip(frames: int) -> EvalClip:
  low = np.random.default_rng(0).integers(0, 100, (frames, 16, 20, 3)).astype(np.uint8)
  return EvalClip("street", 1, 25.0, low, 2 * low)


def test_thin_spreads_the_frames_and_keeps_pairs() -> None:
  (kept,) = thin([clip(9)], 3)
  np.testing.assert_array_equal(kept.low, clip(9).low[[0, 4, 8]])
  np.testing.assert_array_equal(kept.high, 2 * kept.low)
  assert len(next(thin([clip(9)], 0)).low) == 9


def test_scores_follow_the_variables() -> None:
  """PSNR of low against 2 * low by numpy, and of the network that doubles."""
  scorer = Scorer(Brighten(), lambda: [clip(4)], batch=3)
  metrics, pictures = scorer({"params": {"gain": jnp.array(1.0)}})
  low = clip(4).low.astype(np.float64) / 255
  expected = np.mean([-10 * np.log10(np.mean(frame**2)) for frame in low])
  np.testing.assert_allclose(metrics["psnr"], expected, rtol=1e-5)
  assert pictures.keys() == {"street_1"}
  assert pictures["street_1"].dtype == np.uint8
  assert scorer({"params": {"gain": jnp.array(2.0)}})[0]["psnr"] == np.inf
