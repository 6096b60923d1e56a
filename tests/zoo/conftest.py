"""Real frames and published weights, where LLVE_TEST_DATA names the folder that holds them."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.signal import correlate2d

DATA = os.environ.get("LLVE_TEST_DATA")


@pytest.fixture(scope="session")
def published() -> Callable[[str], Path]:
  """`published(name)`: the path of a weights file as its authors publish it."""
  if DATA is None:
    pytest.skip("LLVE_TEST_DATA is not set: no published weights")
  return lambda name: Path(DATA) / "weights" / name


@pytest.fixture(scope="session")
def real_frames() -> np.ndarray:
  """Parts of real dark frames [n, 61, 83, 3], sRGB: a photograph, a noisy one, two of a video."""
  if DATA is None:
    pytest.skip("LLVE_TEST_DATA is not set: no real frames")
  folder = Path(DATA)
  photographs = [
    sorted((folder / name / "val" / "low").iterdir())[0]
    for name in ("multi_exposure", "noisy_indoor")
  ]
  frames = [cv2.imread(str(path)) for path in photographs]
  video = cv2.VideoCapture(str(folder / "night_clips" / "highway_a.mp4"))
  frames += [video.read()[1] for _ in range(2)]
  parts = [frame[200:261, 150:233, ::-1].astype(np.float32) / 255 for frame in frames]
  assert all(0 < part.mean() < 0.5 for part in parts)
  return np.stack(parts)


@pytest.fixture(scope="session")
def torch_conv() -> Callable[..., np.ndarray]:
  """`torch_conv(x, weight, bias)`: PyTorch's Conv2d(kernel_size=3, padding=1), from its definition.

  out[o] = bias[o] + sum over i of the cross-correlation of x[i] with weight[o, i], in float64;
  there are zeros around x [in, h, w].
  """

  def conv(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return np.stack(
      [
        shift + sum(correlate2d(plane, tap, "same") for plane, tap in zip(x, taps, strict=True))
        for taps, shift in zip(weight.astype(np.float64), bias, strict=True)
      ]
    )

  return conv
