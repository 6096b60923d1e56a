"""What an export offers: functions with names, inputs and outputs, from a network's traits.

`serving_default` takes clips. A network that streams has two more, for one frame at a time: `start`
for the first frame of a video, and `next` for those that follow, with what the call before
remembered. A memory is a few arrays; each is an input and an output of its own, `carry_NAME`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from llve_jax.methods.compiled import pure
from llve_jax.models.contract import Traits
from llve_jax.zoo.trained import Trained

Arrays = dict[str, Any]
PREFIX = "carry_"


@dataclasses.dataclass(frozen=True)
class Signature:
  """One function of an export.

  Attributes:
    name: of the function.
    apply: from (variables, inputs) to outputs, both by name.
    inputs: shape and type of each; sizes that are left open are symbols.
    outputs: likewise.
    constraints: what holds for the symbols, as `jax.export.symbolic_shape` takes it.
  """

  name: str
  apply: Callable[[Any, Arrays], Arrays]
  inputs: dict[str, jax.ShapeDtypeStruct]
  outputs: dict[str, jax.ShapeDtypeStruct]
  constraints: tuple[str, ...]

  def __str__(self) -> str:
    return f"{self.name}: {_text(self.inputs)} -> {_text(self.outputs)}"

  def shapes(self) -> dict[str, dict[str, str]]:
    """The shape of every input and output, `{"inputs": {"clip": "b, t, h, w, 3"}, ...}`."""
    return {
      kind: {name: shape_text(leaf.shape) for name, leaf in arrays.items()}
      for kind, arrays in (("inputs", self.inputs), ("outputs", self.outputs))
    }


def of(network: Trained, size: tuple[int, int, int, int] | None = None) -> tuple[Signature, ...]:
  """The functions of a network's export.

  Args:
    network: the network.
    size: clips, frames, rows and columns of the input; None leaves them open. A network that
      streams gets `serving_default` only if they are open.
  """
  traits = network.traits
  run = pure(network.module)
  sides, clips = constraints_of(traits, "hw"), constraints_of(traits, "hwt")

  def clip(variables: Any, inputs: Arrays) -> Arrays:
    return {"clip": run(variables, inputs["clip"], None, None)[0]}

  found = []
  if size is None or not traits.streaming:
    shape = size or export.symbolic_shape("b, t, h, w", constraints=clips)
    spec = {"clip": _float((*shape, traits.channels))}
    found.append(_signature("serving_default", network, clip, spec, clips))
  if not traits.streaming:
    return tuple(found)

  def start(variables: Any, inputs: Arrays) -> Arrays:
    bright, carry = run(variables, inputs["frame"][:, None], None, None)
    return {"frame": jnp.squeeze(bright, 1), **_named(carry)}

  def following(variables: Any, inputs: Arrays) -> Arrays:
    carry = jax.tree.unflatten(structure, [inputs[name] for name in names])
    bright, carry = run(variables, inputs["frame"][:, None], carry, None)
    return {"frame": jnp.squeeze(bright, 1), **_named(carry)}

  frame: Any = export.symbolic_shape("b, h, w", constraints=sides)
  if size is not None:
    frame = (size[0], *size[2:])
  one = _float((*frame, traits.channels))
  _, memory = jax.eval_shape(run, network.variables, _float((one.shape[0], 1, *one.shape[1:])))
  structure = jax.tree.structure(memory)
  remembered = _named(memory)
  names = list(remembered)
  found.append(_signature("start", network, start, {"frame": one}, sides))
  found.append(_signature("next", network, following, {"frame": one, **remembered}, sides))
  return tuple(found)


def constraints_of(traits: Traits, symbols: str) -> tuple[str, ...]:
  """What a network asks of h, w and t, as far as these are among the symbols."""
  least = {"h": traits.least_side, "w": traits.least_side, "t": traits.least_frames}
  return tuple(f"{symbol} >= {least[symbol]}" for symbol in symbols if least[symbol] > 1)


def _signature(
  name: str, network: Trained, apply: Any, inputs: Arrays, constraints: tuple[str, ...]
) -> Signature:
  outputs = jax.eval_shape(apply, network.variables, inputs)
  return Signature(name, apply, inputs, outputs, constraints)


def _float(shape: tuple[Any, ...]) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(shape, jnp.float32)


def _named(memory: Any) -> Arrays:
  """The arrays of a memory by where they are in it, in the order of `jax.tree.leaves`."""
  leaves = jax.tree_util.tree_leaves_with_path(memory)
  named = (
    (PREFIX + jax.tree_util.keystr(path, simple=True, separator="_"), leaf) for path, leaf in leaves
  )
  return dict(named)


def _text(arrays: dict[str, jax.ShapeDtypeStruct]) -> str:
  """What a caller fills in, then the names of what is only handed on."""
  own = [
    f"{name} {leaf.dtype} [{shape_text(leaf.shape)}]"
    for name, leaf in arrays.items()
    if not name.startswith(PREFIX)
  ]
  return ", ".join([*own, *(name for name in arrays if name.startswith(PREFIX))])


def shape_text(shape: tuple[Any, ...]) -> str:
  """`b, t, h, w, 3`."""
  return ", ".join(map(str, shape))
