"""Clip equalisation against the textbook recipe in plain numpy and against scikit-image."""

import numpy as np
import pytest
import skimage.exposure

from llve_jax.ops.equalize import count_values, equalizing_curve


@pytest.mark.parametrize(("dtype", "high"), [(np.uint16, 900), (np.uint16, 65535), (np.uint8, 200)])
def test_the_curve_is_the_direct_computation_on_all_samples(dtype, high):
  clip = np.random.default_rng(0).gamma(2, high / 12, (4, 10, 12, 4)).clip(3, high).astype(dtype)
  top = np.iinfo(dtype).max
  hist, edges = np.histogram(clip.ravel(), 65536)
  cdf = hist.cumsum()
  expected = np.interp(clip.ravel(), edges[:-1], top * cdf / cdf[-1]).reshape(clip.shape)
  curve = equalizing_curve(count_values(clip, top + 1))
  np.testing.assert_allclose(curve[clip], expected, rtol=0, atol=1e-9)


def test_it_agrees_with_scikit_image_where_bins_are_centred_differently():
  clip = np.random.default_rng(1).gamma(2, 900, (3, 40, 40, 4)).astype(np.uint16)
  curve = equalizing_curve(count_values(clip, 65536))
  reference = skimage.exposure.equalize_hist(clip, nbins=65536) * 65535
  assert np.abs(curve[clip] - reference).mean() < 20  # of 65,535


def test_it_is_monotone_and_flat_clips_stay():
  clip = np.full((2, 4, 4), 77, np.uint8)
  np.testing.assert_array_equal(equalizing_curve(count_values(clip, 256))[clip], clip)
  curve = equalizing_curve(np.random.default_rng(2).integers(0, 5, 256))
  assert (np.diff(curve) >= 0).all()
  assert curve[0] >= 0
  assert curve[-1] <= 255
