import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.ops.frames import to_8_bit, to_unit

LIBRARIES = [np.asarray, jnp.asarray]


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_code_comes_back(library) -> None:
  codes = library(np.arange(256, dtype=np.uint8))
  values = to_unit(codes)
  assert values.dtype == np.float32
  assert type(values) is type(codes)
  np.testing.assert_allclose(values, np.arange(256) / 255, rtol=1e-6)
  np.testing.assert_array_equal(to_8_bit(values), codes)
  assert to_unit(values) is values


@pytest.mark.parametrize("library", LIBRARIES)
def test_values_are_clipped_and_rounded(library) -> None:
  values = np.asarray([-0.1, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.0, 7.0], np.float32)
  found = to_8_bit(library(values))
  assert found.dtype == np.uint8
  np.testing.assert_array_equal(found, [0, 0, 1, 255, 255, 255])
