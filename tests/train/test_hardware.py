"""Memory as devices or the system tell it, and utilisation by hand."""

from typing import Any

import jax
import numpy as np
import pytest

from llve_jax.train import hardware


class Device:
  def __init__(self, stats: dict[str, int] | None):
    self._stats = stats

  def memory_stats(self) -> dict[str, int] | None:
    return self._stats


def _have(monkeypatch: pytest.MonkeyPatch, *stats: dict[str, int] | None) -> None:
  monkeypatch.setattr(jax, "local_devices", lambda: [Device(stat) for stat in stats])


def test_the_fullest_device_counts(monkeypatch: pytest.MonkeyPatch) -> None:
  first = {"bytes_in_use": 5, "peak_bytes_in_use": 9, "bytes_limit": 16, "num_allocs": 3}
  _have(monkeypatch, first, {"bytes_in_use": 7, "peak_bytes_in_use": 8, "bytes_limit": 16})
  found = hardware.memory_in_use()
  assert found == {"device_used": 7, "device_peak": 9, "device_limit": 16}


def test_what_a_device_does_not_tell_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
  _have(monkeypatch, {"bytes_in_use": 5}, None)
  assert hardware.memory_in_use() == {"device_used": 5}


@pytest.mark.parametrize("told", [None, {}])
def test_without_devices_that_tell_it_is_the_process(
  monkeypatch: pytest.MonkeyPatch, told: dict[str, int] | None
) -> None:
  _have(monkeypatch, told)
  before = hardware.memory_in_use()
  assert before.keys() == {"process_used", "process_peak"}
  held: Any = np.ones(64 * 2**20, np.uint8)
  after = hardware.memory_in_use()
  assert 48 * 2**20 < after["process_used"] - before["process_used"] < 128 * 2**20
  assert after["process_peak"] >= max(before["process_peak"], held.nbytes)


def test_utilisation() -> None:
  assert hardware.mfu(4e12, 0.5, chips=2, peak=10e12) == pytest.approx(0.4)
  assert hardware.mfu(4e12, 0.5, chips=2, peak=None) is None
