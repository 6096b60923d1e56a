"""From the batches of each process to one global array over all devices."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Sharding


def global_batch(batch: dict[str, np.ndarray], sharding: Sharding) -> dict[str, Any]:
  """Places this process's part of a batch on its devices, as part of a global array.

  Args:
    batch: arrays [b, ...] of this process; the global arrays are [b * processes, ...]. Text, such
      as "id", stays on the host and is left out.
    sharding: how the global arrays are split; the first axis over the devices of all processes.

  Raises:
    ValueError: the devices do not divide the batch.
  """
  return {
    key: jax.make_array_from_process_local_data(sharding, array)
    for key, array in batch.items()
    if array.dtype.kind != "U"
  }
