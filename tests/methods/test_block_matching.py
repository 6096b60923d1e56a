"""Denoising by BM3D: how much noise there is, and what happens without the package."""

import sys
import types

import numpy as np
import pytest

from llve_jax import methods
from llve_jax.errors import UserError
from llve_jax.methods import block_matching
from tests.methods.test_classic import dark_clip


@pytest.mark.parametrize("sigma", [0.01, 0.05])
def test_the_noise_of_a_smooth_picture_is_found(sigma: float) -> None:
  rows, columns = np.mgrid[0:65, 0:81]
  smooth = np.stack([np.sin(rows / 30 + k) * np.cos(columns / 40) for k in range(3)], -1)
  noise = np.random.default_rng(0).normal(scale=sigma, size=smooth.shape)
  assert block_matching.noise_of((0.5 + 0.3 * smooth + noise).astype(np.float32)) == pytest.approx(
    sigma, rel=0.05
  )


def test_the_package_is_given_the_frame_and_its_noise(monkeypatch: pytest.MonkeyPatch) -> None:
  given = []

  def bm3d_rgb(image: np.ndarray, sigma: float) -> np.ndarray:
    given.append((image, sigma))
    return image + 0.25

  monkeypatch.setitem(sys.modules, "bm3d", types.SimpleNamespace(bm3d_rgb=bm3d_rgb))
  clip = dark_clip(1)
  found = methods.load("auto_gain_bm3d")(clip)
  gained = methods.load("auto_gain")(clip)
  expected = np.minimum(gained / 255 + 0.25, 1) * 255
  np.testing.assert_allclose(found, expected, atol=0.51)
  ((_, sigma),) = given
  assert 0 < sigma < 0.2
  black = np.zeros_like(clip)
  np.testing.assert_array_equal(methods.load("auto_gain_bm3d")(black), black)
  assert len(given) == 1  # where there is no noise, there is nothing to take off


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setitem(sys.modules, "bm3d", None)
  with pytest.raises(UserError, match=r"pip install 'llve_jax\[bm3d\]'"):
    methods.load("auto_gain_bm3d")(dark_clip(1))
