import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.ops import rows


@pytest.mark.parametrize(("height", "devices", "expected"), [(8, 4, 0), (9, 4, 3), (1, 8, 7)])
def test_missing_rows(height: int, devices: int, expected: int) -> None:
  assert rows.missing(height, devices) == expected


@pytest.mark.parametrize("library", [np.asarray, jnp.asarray])
def test_what_is_filled_up_is_black_and_cut_off_again(library) -> None:
  clip = library(np.random.default_rng(0).random((1, 2, 5, 3, 1), np.float32))
  filled = rows.fill(clip, 3)
  assert type(filled) is type(clip)
  assert filled.shape == (1, 2, 8, 3, 1)
  np.testing.assert_array_equal(filled[:, :, 5:], 0)
  np.testing.assert_array_equal(rows.cut(jnp.asarray(filled), 5, 8), clip)


def test_a_clip_twice_as_high_loses_twice_as_many() -> None:
  clip = jnp.arange(16.0).reshape(1, 1, 16, 1, 1)
  np.testing.assert_array_equal(rows.cut(clip, 5, 8), clip[:, :, :10])
