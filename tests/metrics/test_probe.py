"""Darkness, noise and blocks of frames that are made so."""

import cv2
import numpy as np
import pytest

from llve_jax.metrics.probe import blockiness, noise, probe
from llve_jax.ops.frames import to_16_bit, to_unit


def scene(level: float) -> np.ndarray:
  """Smooth, grey, of that median."""
  y, x = np.mgrid[:96, :128]
  return np.repeat((level + 8 * np.sin(x / 15) * np.cos(y / 11))[..., None], 3, axis=-1)


def frames(level: float, sigma: float, count: int = 2) -> np.ndarray:
  grey = np.random.default_rng(0).normal(scale=sigma, size=(count, 96, 128, 1))
  return np.clip(scene(level) + grey, 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("sigma", [2.0, 6.0])
@pytest.mark.parametrize("count", [1, 2])
def test_noise_is_found_whatever_the_texture(sigma: float, count: int) -> None:
  lumas = frames(60, sigma, count)[..., 0].astype(np.float32)
  assert noise(lumas) == pytest.approx(sigma, rel=0.1)
  assert noise(frames(60, 0.0, count)[..., 0].astype(np.float32)) < 0.6
  edges = np.kron(np.eye(12), np.ones((8, 8))).astype(np.float32) * 200
  assert noise([edges]) == 0.0
  assert noise([np.zeros((1, 1), np.float32)]) == 0.0


def test_blocks_of_a_codec_show() -> None:
  grainy = frames(60, 6.0)[0]
  coded = cv2.imdecode(cv2.imencode(".jpg", grainy, [cv2.IMWRITE_JPEG_QUALITY, 10])[1], 1)
  assert blockiness(grainy[..., 0].astype(np.float32)) == pytest.approx(1, abs=0.1)
  assert blockiness(coded[..., 0].astype(np.float32)) > 1.5
  assert blockiness(np.zeros((5, 5), np.float32)) == 1.0


def test_level_leaves_bars_out_and_any_depth_gives_the_same() -> None:
  film = frames(40, 2.0)
  film[:, :20] = 0
  found = probe([list(film), list(film)])
  assert found.level == pytest.approx(40, abs=2)
  assert found.burnt == 0.0
  deep = probe([[to_16_bit(to_unit(frame)) for frame in film]])
  assert (deep.level, deep.noise) == pytest.approx((found.level, found.noise), abs=0.01)
  film[:, 40:50] = 255
  assert probe([list(film)]).burnt == pytest.approx(10 / 96, abs=0.01)
