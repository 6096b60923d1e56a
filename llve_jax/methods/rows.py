"""Frames that several devices compute together, each some rows of them.

For frames that are too large for one device and must not be cut in tiles. The compiler exchanges
the rows that neighbours need; the result is that of one device.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from llve_jax.errors import UserError
from llve_jax.ops import rows as rows_of_frames

Apply = Callable[[Any, Array, Any, Any], tuple[Array, Any]]


class InRows:
  """A network as a pure function, on the first `rows` devices of this machine."""

  def __init__(self, apply: Apply, rows: int):
    """Prepares; compiles at the first call with frames of a size.

    Args:
      apply: see `compiled.pure`; what it gives is as high as the clip that it gets, or a whole
        number of times as high.
      rows: how many devices.

    Raises:
      UserError: there are not so many.
    """
    devices = jax.local_devices()
    if not 1 <= rows <= len(devices):
      raise UserError(
        f"--rows={rows}: frames can be split over 1 to {len(devices)} devices here "
        f"({devices[0].platform}); choose as many"
      )
    self._apply, self._rows = apply, rows
    mesh = Mesh(np.array(devices[:rows]), ("rows",), axis_types=(AxisType.Auto,))
    self._split = NamedSharding(mesh, PartitionSpec(None, None, "rows"))
    self._everywhere = NamedSharding(mesh, PartitionSpec())
    self._compiled: dict[int, Apply] = {}

  def place(self, variables: Any) -> Any:
    """The variables on all of the devices."""
    return jax.device_put(variables, self._everywhere)

  def __call__(
    self, variables: Any, clip: Array, carry: Any = None, context: Any = None
  ) -> tuple[Array, Any]:
    """As `apply`; the variables as `place` gives them."""
    height = clip.shape[rows_of_frames.HEIGHT]
    missing = rows_of_frames.missing(height, self._rows)
    filled = jax.device_put(rows_of_frames.fill(clip, missing), self._split)
    if height not in self._compiled:
      self._compiled[height] = jax.jit(self._on_true_rows(height, height + missing))
    out, carry = self._compiled[height](variables, filled, carry, context)
    return rows_of_frames.cut(out, height, height + missing), carry

  def _on_true_rows(self, height: int, filled: int) -> Apply:
    def run(variables: Any, clip: Array, carry: Any, context: Any) -> tuple[Array, Any]:
      # Networks see true pixels only, so what they know of a whole frame stays right.
      true = rows_of_frames.cut(clip, height, filled)
      out, carry = self._apply(variables, true, carry, context)
      scale = out.shape[rows_of_frames.HEIGHT] // height
      out = rows_of_frames.fill(out, scale * (filled - height))
      return jax.lax.with_sharding_constraint(out, self._split), carry

    return run
