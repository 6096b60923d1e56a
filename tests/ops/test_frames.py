import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.ops.frames import to_8_bit, to_16_bit, to_unit

LIBRARIES = [np.asarray, jnp.asarray]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("dtype", "back"), [(np.uint8, to_8_bit), (np.uint16, to_16_bit)])
def test_every_code_comes_back(library, dtype, back) -> None:
  largest = np.iinfo(dtype).max
  codes = library(np.arange(largest + 1).astype(dtype))
  values = to_unit(codes)
  assert values.dtype == np.float32
  assert type(values) is type(codes)
  np.testing.assert_allclose(values, np.arange(largest + 1) / largest, rtol=1e-6)
  np.testing.assert_array_equal(back(values), codes)
  assert to_unit(values) is values


@pytest.mark.parametrize("library", LIBRARIES)
def test_values_are_clipped_and_rounded(library) -> None:
  values = np.asarray([-0.1, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.0, 7.0], np.float32)
  found = to_8_bit(library(values))
  assert found.dtype == np.uint8
  np.testing.assert_array_equal(found, [0, 0, 1, 255, 255, 255])
