"""LIME against its own equations, solved by a sparse direct solver."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg

from llve_jax.errors import UserError
from llve_jax.methods.lime import illumination, lime


def _frame(shape=(24, 31), seed=0):
  rng = np.random.default_rng(seed)
  ramp = np.linspace(5, 60, shape[1])[None, :, None] * np.array([1.0, 0.8, 0.6])
  return np.clip(ramp + rng.normal(0, 4, (*shape, 3)), 0, 255).astype(np.uint8)


def _differences(length):
  """Forward differences of a line, [length - 1, length]."""
  return scipy.sparse.diags([-np.ones(length), np.ones(length - 1)], [0, 1]).tocsr()[:-1]


def _solved(rough, alpha, sigma):
  """Equation 19 by scipy: (I + sum_d D_d^T diag(weights) D_d) t = t_hat."""
  height, width = rough.shape
  operators = (
    scipy.sparse.kron(_differences(height), scipy.sparse.eye(width)),
    scipy.sparse.kron(scipy.sparse.eye(height), _differences(width)),
  )
  system = scipy.sparse.eye(rough.size)
  for axis, operator in enumerate(operators):
    change = np.diff(rough, axis=axis)
    summed = scipy.ndimage.gaussian_filter(change, sigma, mode="nearest", radius=5)
    weight = 1 / ((np.abs(summed) + 1e-3) * (np.abs(change) + 1e-3))
    system = system + alpha * operator.T @ scipy.sparse.diags(weight.ravel()) @ operator
  return scipy.sparse.linalg.spsolve(system.tocsc(), rough.ravel()).reshape(rough.shape)


@pytest.mark.parametrize("alpha", [0.01, 0.15])
def test_the_illumination_solves_its_equation(alpha):
  rough = (_frame() / 255).max(axis=-1)
  found = illumination(rough.astype(np.float32), alpha=alpha, sigma=2.0)
  np.testing.assert_allclose(found, _solved(rough, alpha, 2.0), atol=0.002)


def test_no_illumination_below_code_1_is_divided_out():
  frame = np.zeros((15, 17, 3), np.uint8)
  frame[7, 8] = 1
  assert 0 < lime(frame).max() <= round(255 * (1 / 255) ** 0.2)


def test_without_smoothing_the_maximum_is_divided_out():
  frame = _frame()
  light = np.maximum((frame / 255).max(axis=-1, keepdims=True), 1 / 255)
  expected = 255 * np.clip(frame / 255 / light**0.8, 0, 1)
  np.testing.assert_allclose(lime(frame, alpha=0.0), expected, atol=0.51)


def test_dark_frames_become_brighter_and_keep_their_edges():
  frame = np.full((40, 60, 3), 10, np.uint8)
  frame[:, 30:] = 60
  bright = lime(frame).astype(int)
  assert np.all(bright[20, [5, 55], 0] > 2 * np.array([10, 60]))
  assert np.abs(np.diff(bright[20, :, 0])).argmax() == 29
  assert np.abs(np.diff(bright[20, :, 0]))[[*range(28), *range(31, 59)]].max() <= 2


def test_16_bits_are_those_of_8_without_rounding():
  frame = _frame()
  deep = lime(frame.astype(np.uint16) * 257)
  assert deep.dtype == np.uint16
  np.testing.assert_array_equal(np.round(deep / 257), lime(frame))
  light = np.maximum((frame / 255).max(axis=-1, keepdims=True), 1 / 255)
  expected = 65535 * np.clip(frame / 255 / light**0.8, 0, 1)
  np.testing.assert_allclose(lime(frame.astype(np.uint16) * 257, alpha=0.0), expected, atol=0.6)


def test_black_stays_black_and_white_white():
  assert lime(np.zeros((9, 12, 3), np.uint8)).max() == 0
  assert lime(np.full((9, 12, 3), 255, np.uint8)).min() == 255


@pytest.mark.parametrize("frame", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_other_arrays_are_refused(frame):
  with pytest.raises(UserError, match=r"expected a uint8 frame \[h, w, 3\]"):
    lime(frame)
