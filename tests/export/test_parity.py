import dataclasses

import jax
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.export import parity
from llve_jax.export.parity import Parity

SIZES = ((1, 1, 3, 5), (2, 3, 4, 1))


def export_gain(tmp_path, gain, format):
  format.write(gain, tmp_path / "model")
  return parity.measure(gain, tmp_path / "model", format.runner, SIZES)


def test_an_equal_export_passes(tmp_path, gain, numpy_format):
  found = export_gain(tmp_path, gain, numpy_format())
  assert found.differences.keys() == set(SIZES)
  assert found.largest < 1e-7
  assert found.allowed == 1e-5
  found.check()


@pytest.mark.parametrize("change", [2e-4, -2e-4])
def test_the_difference_is_the_largest_absolute_one(tmp_path, gain, numpy_format, change):
  found = export_gain(tmp_path, gain, numpy_format(1 + change))
  brightest = max(parity.probe(size, seed).max() for seed, size in enumerate(SIZES))
  assert found.largest == pytest.approx(2 * brightest * 2e-4, rel=1e-2)
  with pytest.raises(UserError, match=r"differs from the network by .* on clips of 2 x 3 x 4 x 1"):
    found.check()


def test_an_export_that_gives_no_numbers_is_refused(tmp_path, gain, numpy_format):
  found = export_gain(tmp_path, gain, numpy_format(np.nan))
  with pytest.raises(UserError, match="differs from the network by nan"):
    found.check()
  with pytest.raises(UserError, match="on clips of 1 x 2 x 3 x 4"):
    Parity({(1, 1, 1, 1): 1.0, (1, 2, 3, 4): np.nan}, 0.0).check()


def test_an_export_that_does_not_run_says_why(tmp_path, gain, numpy_format):
  with pytest.raises(UserError, match=r"a fresh process: RuntimeError: no such operation:\s+Gain$"):
    export_gain(tmp_path, gain, numpy_format(0))


def test_an_export_of_another_shape_is_refused(tmp_path, gain, numpy_format):
  with pytest.raises(UserError, match=r"turns clips \(1, 1, 3, 5, 3\) into \(2, 1, 1, 3, 5, 3\)"):
    export_gain(tmp_path, gain, numpy_format(np.ones((2, 1, 1, 1, 1, 1))))


def test_rounding_is_a_unit_in_the_last_place(tmp_path, gain, numpy_format):
  """A gain of 2 that moves by 2^-23 of itself."""
  found = export_gain(tmp_path, gain, numpy_format())
  brightest = max(parity.probe(size, seed).max() for seed, size in enumerate(SIZES))
  assert found.rounding == pytest.approx(2 * brightest * 2.0**-23, rel=0.5)


def test_what_rounding_alone_reaches_is_allowed():
  Parity({(1, 1, 1, 1): 2.9e-5}, 1e-5).check()
  with pytest.raises(UserError):
    Parity({(1, 1, 1, 1): 3.1e-5}, 1e-5).check()
  with pytest.raises(UserError):
    Parity({(1, 1, 1, 1): 1.1e-5}, 3e-6).check()
  with pytest.raises(UserError):
    Parity({(1, 1, 1, 1): 2e-3}, 1.0).check()
  with pytest.raises(UserError):
    Parity({(1, 1, 1, 1): 2e-5}, np.nan).check()


def test_probes_are_dark_and_differ():
  dark = parity.probe((2, 2, 16, 32), 0)
  assert dark.dtype == np.float32
  assert 0 <= dark.min() < dark.max() <= 1 / 8
  assert dark[..., :8, :].mean() < 0.3 * dark[..., 24:, :].mean()
  assert np.abs(dark - parity.probe((2, 2, 16, 32), 1)).max() > 0.05


@pytest.mark.slow
def test_a_saved_model_with_other_weights_is_refused(folder, network):
  from llve_jax.export import saved_model

  sizes = ((2, 1, 9, 7), (1, 2, 4, 16))
  parity.measure(network, folder, saved_model.RUNNER, sizes).check()
  variables = jax.tree.map(lambda leaf: leaf * 1.001, network.variables)
  other = dataclasses.replace(network, variables=variables)
  with pytest.raises(UserError, match="differs from the network"):
    parity.measure(other, folder, saved_model.RUNNER, sizes).check()
