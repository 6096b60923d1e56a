"""The table of networks."""

import subprocess
import sys
from pathlib import Path

import pytest

from experiments import report
from llve_jax import models

REPOSITORY = Path(__file__).parents[2]


def test_operations_are_those_of_the_layer_list():
  """Zero-DCE is seven 3x3 convolutions: a multiplication per weight (not bias) and pixel."""
  row = report.describe("zero_dce")
  weights = 79_416 - (6 * 32 + 24)
  assert row.parameters == 79_416
  assert row.macs == pytest.approx(weights * 1280 * 720, rel=0.01)
  assert (row.time, row.takes, row.tiles) == ("single frames", "srgb", True)


def test_a_memory_is_called_streaming_and_a_mosaic_is_counted_by_sensor_pixels():
  narrow = report.describe("recurrent_unet", {"widths": (4, 4), "blocks": (1, 1)})
  assert narrow.time == "streams"
  packed = report.describe("sid_unet")
  assert packed.takes == "bayer"
  assert 30e9 < packed.macs < 60e9  # a quarter of the pixels of an RGB network of its widths


def test_the_command_prints_every_network():
  done = subprocess.run(
    [sys.executable, "-m", "experiments.report", "--models"],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  for name in models.MODELS:
    assert f"| `{name}` |" in done.stdout
  idle = subprocess.run(
    [sys.executable, "-m", "experiments.report"],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
    check=False,
  )
  assert idle.returncode == 2
  assert "--models" in idle.stderr
