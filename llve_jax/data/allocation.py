"""Memory that is freed is kept for what comes next."""

import ctypes

# glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_MOST = 2**31 - 1


def keep_freed_memory() -> bool:
  """Has the C library keep large blocks that are freed, up to 2 GiB, for the whole process.

  Otherwise it gives each block above 32 MiB back at once, and the system clears every page of the
  next one. A record of 16 frames has 90 MiB and is copied several times: reading it took five times
  as long (`experiments.benchmarks.feed`). XLA on a CPU asks for the memory of a step anew at each
  step, from threads of its own, and a tenth of the step went into clearing it. Threads that come
  later share one pool, since pools of their own would give back what is large all the same: so call
  this early.

  Returns:
    Whether it did; only glibc can.
  """
  try:
    mallopt = ctypes.CDLL(None).mallopt
  except (OSError, AttributeError):
    return False
  return all([mallopt(_TRIM_THRESHOLD, _MOST), mallopt(_MMAP_MAX, 0), mallopt(_ARENA_MAX, 1)])
