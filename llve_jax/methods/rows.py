"""A network whose frames several devices compute together, each some rows of them.

For frames that are too large for one device and must not be cut in tiles. The compiler exchanges
the rows that neighbours need; the result is that of one device.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.zoo.trained import Enhancer

_HEIGHT = 2  # axis of a clip [b, t, h, w, c]


class InRows:
  """An `Enhancer` on the first `rows` devices of this machine."""

  def __init__(self, network: Enhancer, rows: int):
    """Places the weights on all of them.

    Raises:
      UserError: there are not so many.
    """
    devices = jax.local_devices()
    if not 1 <= rows <= len(devices):
      raise UserError(
        f"--rows={rows}: frames can be split over 1 to {len(devices)} devices here "
        f"({devices[0].platform}); choose as many"
      )
    self._network, self._rows = network, rows
    mesh = Mesh(np.array(devices[:rows]), ("rows",), axis_types=(AxisType.Auto,))
    self._split = NamedSharding(mesh, PartitionSpec(None, None, "rows"))
    self._compiled: dict[int, Callable[..., tuple[Array, Any]]] = {}
    self._variables = jax.device_put(network.variables, NamedSharding(mesh, PartitionSpec()))

  def __call__(self, clip: Float[Array, "b t h w c"]) -> Float[Array, "b t h w c"]:
    """As `Enhancer`."""
    out, _ = self._run(clip.shape[_HEIGHT])(self._variables, self._placed(clip), None)
    return self._whole(out, clip)

  def stream(
    self, clip: Float[Array, "b t h w c"], carry: Any = None
  ) -> tuple[Float[Array, "b t h w c"], Any]:
    """As `Enhancer.stream`."""
    out, carry = self._run(clip.shape[_HEIGHT])(self._variables, self._placed(clip), carry)
    return self._whole(out, clip), carry

  def _placed(self, clip: Array) -> Array:
    """The clip, filled up at the bottom so that all devices get as many rows."""
    missing = -clip.shape[_HEIGHT] % self._rows
    filled = jnp.pad(clip, [(0, missing if axis == _HEIGHT else 0) for axis in range(clip.ndim)])
    return jax.device_put(filled, self._split)

  def _whole(self, out: Array, clip: Array) -> Array:
    """The result without what was filled up."""
    height = clip.shape[_HEIGHT]
    filled = height + -height % self._rows
    return out[:, :, : out.shape[_HEIGHT] // filled * height]

  def _run(self, height: int) -> Callable[..., tuple[Array, Any]]:
    """The network on frames of so many true rows, compiled at its first call."""
    if height not in self._compiled:
      self._compiled[height] = self._jitted(height)
    return self._compiled[height]

  def _jitted(self, height: int) -> Callable[..., tuple[Array, Any]]:
    network = self._network

    def run(variables: Any, clip: Array, carry: Any) -> tuple[Array, Any]:
      filled = clip.shape[_HEIGHT]
      # Networks see true pixels only, so what they know of a whole frame stays right.
      true = jax.lax.slice_in_dim(clip, 0, height, axis=_HEIGHT)
      given = {"carry": carry} if network.traits.streaming else {}
      output: Any = network.module.apply(variables, true, **given)
      out = jnp.clip(output["clip"], 0.0, 1.0)
      missing = out.shape[_HEIGHT] // height * (filled - height)
      out = jnp.pad(out, [(0, missing if axis == _HEIGHT else 0) for axis in range(out.ndim)])
      return jax.lax.with_sharding_constraint(out, self._split), output.get("carry")

    return jax.jit(run)
