"""Losses of all that a network returns, by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.losses import OUTPUT_LOSSES
from llve_jax.losses.pixel import edge, l2
from llve_jax.losses.zero_reference import zero_dce

STEP = jnp.int32(0)


@pytest.mark.parametrize("size", [(9, 14), (8, 6)])
def test_half_l2_resizes_the_target_between_its_outermost_samples(size: tuple[int, int]) -> None:
  rng = np.random.default_rng(0)
  high = rng.random((1, 2, *size, 3), np.float32)
  small = ((size[0] + 1) // 2, (size[1] + 1) // 2)
  half = rng.random((1, 2, *small, 3), np.float32)
  resized = high[0]
  for axis in (1, 2):  # PyTorch's align_corners: the first and the last stay where they are
    places = np.linspace(0, size[axis - 1] - 1, small[axis - 1])
    lower = np.minimum(places.astype(int), size[axis - 1] - 2)
    share = (places - lower).reshape([-1 if other == axis else 1 for other in range(4)])
    before, after = (np.take(resized, lower + step, axis) for step in (0, 1))
    resized = (1 - share) * before + share * after
  expected = np.square(half[0] - resized).mean()
  found = OUTPUT_LOSSES["half_l2"]({"half": jnp.asarray(half)}, {"high": jnp.asarray(high)}, STEP)
  np.testing.assert_allclose(found, [expected], rtol=1e-5)


def test_zero_dce_is_of_the_curves_in_either_form() -> None:
  rng = np.random.default_rng(0)
  low, clip, curves = (
    jnp.asarray(rng.random((1, 1, 32, 32, channels), np.float32)) for channels in (3, 3, 24)
  )
  outputs, found = {"clip": clip, "curves": curves}, []
  for name, released in (("zero_dce", False), ("zero_dce_released", True)):
    found.append(OUTPUT_LOSSES[name](outputs, {"low": low}, STEP))
    expected = zero_dce(clip, low, curves, released=released)
    np.testing.assert_allclose(found[-1], expected, rtol=1e-5)
  assert found[0] != found[1]


def test_kpn_burst_is_of_every_frame_by_itself_and_fades_out() -> None:
  rng = np.random.default_rng(0)
  burst = jnp.asarray(rng.random((2, 1, 3, 8, 9, 3), np.float32))
  high = jnp.asarray(rng.random((2, 1, 8, 9, 3), np.float32))
  each = [l2(burst[:, :, k], high) + edge(burst[:, :, k], high) for k in range(3)]
  for step in (0, 5000):
    found = OUTPUT_LOSSES["kpn_burst"]({"burst": burst}, {"high": high}, jnp.int32(step))
    np.testing.assert_allclose(found, 100 * 0.9998**step * np.mean(each, axis=0), rtol=1e-3)


def test_half_l2_needs_a_network_that_computes_at_half_the_size() -> None:
  with pytest.raises(ValueError, match="this one gives clip"):
    OUTPUT_LOSSES["half_l2"]({"clip": jnp.zeros((1, 1, 2, 2, 3))}, {}, STEP)


def test_region_input_reads_the_input_of_the_batch() -> None:
  zeros = jnp.zeros((1, 1, 4, 4, 3))
  batch = {"high": zeros, "low": jnp.arange(16, dtype=jnp.float32).reshape(1, 1, 4, 4, 1)}
  found = OUTPUT_LOSSES["region_input"]({"clip": zeros + 0.1}, batch, STEP)
  np.testing.assert_allclose(found, 5 * 0.1 * 3**0.5, rtol=1e-5)


def test_region_input_looks_at_what_the_mask_trusts() -> None:
  zeros = jnp.zeros((1, 1, 4, 4, 3))
  low = jnp.arange(16, dtype=jnp.float32).reshape(1, 1, 4, 4, 1)
  mask = jnp.where(low % 3 == 0, jnp.float32(0), jnp.float32(1))  # of the dark and of the others
  batch = {"high": zeros, "low": low, "mask": mask}
  wrong = jnp.where(mask > 0, jnp.float32(0.1), jnp.float32(9)) + zeros
  found = OUTPUT_LOSSES["region_input"]({"clip": wrong}, batch, STEP)
  np.testing.assert_allclose(found, 5 * 0.1 * 3**0.5, rtol=1e-5)
