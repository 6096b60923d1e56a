"""How much of the machine a run uses: memory, and the share of the peak of its arithmetic."""

import resource
import sys
from pathlib import Path

import jax

_STATM = Path("/proc/self/statm")


def memory_in_use() -> dict[str, int]:
  """Bytes in use now and at most so far.

  Returns:
    "device_used", "device_peak" and, where known, "device_limit": the largest of any local device
    each. Where devices do not tell, as on a CPU, "process_used" and "process_peak": the memory of
    this process that is resident (the first on Linux only).
  """
  stats = [device.memory_stats() or {} for device in jax.local_devices()]
  names = {"used": "bytes_in_use", "peak": "peak_bytes_in_use", "limit": "bytes_limit"}
  told = {
    f"device_{name}": max(found)
    for name, key in names.items()
    if (found := [int(stat[key]) for stat in stats if key in stat])
  }
  return told or _resident()


def _resident() -> dict[str, int]:
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  unit = 1 if sys.platform == "darwin" else 1024
  found = {"process_peak": peak * unit}
  if _STATM.exists():
    found["process_used"] = int(_STATM.read_text().split()[1]) * resource.getpagesize()
  return found


def mfu(
  flops_per_step: float, seconds_per_step: float, *, chips: int, peak: float | None
) -> float | None:
  """Model FLOPs utilisation: arithmetic done, as a share of what the chips could have done.

  Chowdhery et al., "PaLM", 2022, appendix B. What is computed anew under rematerialisation counts
  here as far as `flops_per_step` counts it.

  Args:
    flops_per_step: floating point operations of one step, over all chips.
    seconds_per_step: how long it takes, greater than 0.
    chips: how many.
    peak: operations per second of one chip; None where nobody knows.

  Returns:
    A share in [0, 1], or None without a peak.
  """
  return None if peak is None else flops_per_step / (seconds_per_step * chips * peak)
