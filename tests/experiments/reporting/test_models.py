"""The table of networks."""

import pytest

from experiments.reporting import models


def test_operations_are_those_of_the_layer_list():
  """Zero-DCE is seven 3x3 convolutions: a multiplication per weight (not bias) and pixel."""
  row = models.describe("zero_dce")
  weights = 79_416 - (6 * 32 + 24)
  assert row.parameters == 79_416
  assert row.macs == pytest.approx(weights * 1280 * 720, rel=0.01)
  assert (row.time, row.takes, row.tiles) == ("single frames", "srgb", True)


def test_a_memory_is_called_streaming_and_a_mosaic_is_counted_by_sensor_pixels():
  narrow = models.describe(
    "recurrent_unet", {"widths": (4, 4), "blocks": (1, 1), "decoder_blocks": (1,)}
  )
  assert narrow.time == "streams"
  packed = models.describe("sid_unet")
  assert packed.takes == "bayer"
  assert 30e9 < packed.macs < 60e9  # a quarter of the pixels of an RGB network of its widths
