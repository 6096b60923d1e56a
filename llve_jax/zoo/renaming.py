"""Arrays of other people's programs under this library's names and in its layout."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jaxtyping import Shaped

from llve_jax.errors import UserError

Tensors = Mapping[str, Shaped[np.ndarray, "..."]]
_NAMED = 3  # mismatches that a message names


@dataclasses.dataclass(frozen=True)
class Layout:
  """How a file lays out an array that is here [height, width, in, out], or a vector.

  Attributes:
    axes: for each axis here, which axis of the file it is.
    mirrored: height and width run backwards, as in the kernel of a transposed convolution.
  """

  axes: tuple[int, ...]
  mirrored: bool = False

  def ours(self, array: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """The array as it is here."""
    array = array.transpose(self.axes)
    return np.ascontiguousarray(array[::-1, ::-1] if self.mirrored else array)

  def theirs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in the file of an array that has `shape` here."""
    if len(shape) != len(self.axes):
      return shape
    return tuple(shape[self.axes.index(axis)] for axis in range(len(shape)))


VECTOR = Layout((0,))
KERAS_KERNEL = Layout((0, 1, 2, 3))
KERAS_TRANSPOSED = Layout((0, 1, 3, 2), mirrored=True)
TORCH_KERNEL = Layout((2, 3, 1, 0))


def sample(module: nn.Module) -> jax.Array:
  """The smallest clip of zeros that a network takes."""
  traits = module.traits
  side = max(traits.stride, traits.least_side)
  return jnp.zeros((1, traits.least_frames, side, side, traits.channels))


def rename(
  tensors: Tensors,
  names: Mapping[str, tuple[str, Layout]],
  module: nn.Module,
  source: str,
) -> dict[str, Any]:
  """The variables of `module`, float32, from the arrays of a file.

  Args:
    tensors: what the file holds.
    names: for each variable, as "params/conv/kernel", its name in the file and its layout there.
    module: the network; `names` covers each of its variables.
    source: the file, for the message.

  Raises:
    UserError: names the first arrays that are missing, surplus or of another shape, as the file
      calls them.
  """
  shapes = jax.eval_shape(module.init, jax.random.key(0), sample(module))
  return rename_to(shapes, tensors, names, source)


def rename_to(
  shapes: Any, tensors: Tensors, names: Mapping[str, tuple[str, Layout]], source: str
) -> dict[str, Any]:
  """As `rename`, for a part of a network: `shapes` is the tree that its `init` would return."""
  expected = traverse_util.flatten_dict(shapes, sep="/")
  wanted = {there: layout.theirs(expected[here].shape) for here, (there, layout) in names.items()}
  wrong = [f"{name} is missing" for name in wanted if name not in tensors]
  wrong += [f"{name} is surplus" for name in tensors if name not in wanted]
  wrong += [
    f"{name} has shape {tensors[name].shape}, expected {shape}"
    for name, shape in wanted.items()
    if name in tensors and tensors[name].shape != shape
  ]
  if wrong:
    raise UserError(mismatch(source, wrong))
  flat = {
    here: layout.ours(tensors[there]).astype(np.float32) for here, (there, layout) in names.items()
  }
  return traverse_util.unflatten_dict(flat, sep="/")


def mismatch(source: str, wrong: list[str]) -> str:
  """The message for weights that are those of another architecture."""
  more = f" (and {len(wrong) - _NAMED} more)" if len(wrong) > _NAMED else ""
  return (
    f"{source}: holds another network than the one expected: {'; '.join(wrong[:_NAMED])}{more}; "
    "choose the network that these weights belong to"
  )
