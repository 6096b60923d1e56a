"""A network as a pure function, compiled once for each size of frames and for any weights."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.io import compilation
from llve_jax.methods.rows import Apply, InRows
from llve_jax.models.contract import Traits
from llve_jax.ops.frames import to_8_bit, to_unit
from llve_jax.shapes import Clip


def pure(module: nn.Module) -> Apply:
  """The network as a function of (variables, clip, carry, context), which returns (clip, carry).

  The clip that it returns is clipped to [0, 1]. The carry is that of networks that stream, None
  starts a video; of other networks it is None. The context is that of networks that take one
  (`traits.context`); None has them take the clip for the whole frame.
  """
  streaming = module.traits.streaming

  def apply(variables: Any, clip: Clip, carry: Any = None, context: Any = None) -> tuple[Clip, Any]:
    given = {"carry": carry} if streaming else {}
    if context is not None:
      given["context"] = context
    output: Any = module.apply(variables, clip, **given)
    return jnp.clip(output["clip"], 0.0, 1.0), output["carry"] if streaming else None

  return apply


class Compiled:
  """A network on frames, for any weights; each size of frames compiles once.

  Attributes:
    traits: how it may be run.
    rows: devices that share the rows of each frame.
  """

  def __init__(self, module: nn.Module, *, rows: int = 1):
    """On one device, or on `rows` devices that share the rows of each frame.

    Raises:
      UserError: there are not so many devices.
    """
    self.traits: Traits = module.traits
    self.rows = rows
    self._in_rows = None if rows == 1 else InRows(pure(module), rows)
    self._module = module
    self._jitted = _jitted(module, here=True)

  def place(self, variables: Any) -> Any:
    """The variables where the network runs; calls take them from there."""
    return jax.device_put(variables) if self._in_rows is None else self._in_rows.place(variables)

  def __call__(
    self,
    variables: Any,
    frames: Float[Array, "n h w c"],
    carry: Any = None,
    context: Any = None,
    *,
    in_time: bool,
    rounded: bool,
  ) -> tuple[Float[Array, "n h w 3"], Any]:
    """Brightens frames.

    Args:
      variables: of the network.
      frames: uint8, uint16, or float32 in [0, 1].
      carry: of a network that streams, what the call before returned; None starts a video.
      context: small pictures [n, side, side, c] of the whole frames, if these are parts of them.
      in_time: whether the frames follow each other, or are clips of one frame each.
      rounded: uint8 or float32 in [0, 1].

    Returns:
      The frames, `traits.scale` times as large, and the carry for those that follow.
    """
    how = {"in_time": in_time, "rounded": rounded}
    if self._in_rows is None:
      return self._jitted(variables, frames, carry, context, **how)
    return _on_frames(self._in_rows, variables, frames, carry, context, **how)

  def carry_form(self, variables: Any, frames: Any) -> Any:
    """The structure of the carry that frames of that shape and type leave behind."""
    in_time = not self.traits.single_frames
    run = functools.partial(_jitted(self._module), in_time=in_time, rounded=True)
    return jax.tree.structure(jax.eval_shape(run, variables, frames, None, None)[1])

  def trace(self, variables: Any, frames: Any, carry: Any = None) -> Any:
    """What is compiled for arguments of these shapes, to be compiled for another machine."""
    how = {"in_time": not self.traits.single_frames, "rounded": True}
    return _jitted(self._module).trace(variables, frames, carry, None, **how)


@functools.lru_cache(maxsize=8)
def _jitted(module: nn.Module, *, here: bool = False) -> Any:
  """The program of a network: one for all who run it, so that no size compiles twice.

  Args:
    module: the network.
    here: it runs on this machine; else it is compiled for another one.
  """
  return jax.jit(
    functools.partial(_on_frames, pure(module)),
    static_argnames=("in_time", "rounded"),
    compiler_options=compilation.for_inference() if here else None,
  )


def _on_frames(
  apply: Apply,
  variables: Any,
  frames: Array,
  carry: Any,
  context: Any,
  *,
  in_time: bool,
  rounded: bool,
) -> tuple[Array, Any]:
  axis = 0 if in_time else 1
  view = None if context is None else jnp.expand_dims(context, axis)
  clip, carry = apply(variables, jnp.expand_dims(to_unit(frames), axis), carry, view)
  bright = jnp.squeeze(clip, axis)
  return to_8_bit(bright) if rounded else bright, carry
