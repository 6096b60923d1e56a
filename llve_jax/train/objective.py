"""What a step minimises: losses against the target, of all outputs, and with a memory, summed."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from llve_jax.errors import UserError
from llve_jax.losses import CARRIED_LOSSES, LOSSES, OUTPUT_LOSSES, Composed, compose
from llve_jax.train.state import Batch, Scalars, State

Memory = dict[str, Array]


@dataclasses.dataclass(frozen=True, eq=False)
class Objective:
  """A weighted sum; build it with `make_objective`.

  Attributes:
    direct: of output and target alone.
    outputs: weight and loss of everything the network returned (`losses.outputs`).
    carried: weight, loss and first memory of those that carry a number from step to step.
  """

  direct: Composed
  outputs: Mapping[str, tuple[float, Callable[..., Array]]]
  carried: Mapping[str, tuple[float, Callable[..., tuple[Array, Array]], float]]

  @property
  def frozen(self) -> Mapping[str, Any]:
    """Weights of fixed networks, to be put in `State.frozen`."""
    return self.direct.frozen

  @property
  def memory(self) -> Memory:
    """The first `State.memory`."""
    return {name: jnp.asarray(first, jnp.float32) for name, (_, _, first) in self.carried.items()}

  def __call__(
    self, outputs: Mapping[str, Array], batch: Batch, state: State, key: Array
  ) -> tuple[Array, Scalars, Memory]:
    """The mean over the batch of the sum, the terms as `loss/NAME`, unweighted, and the new memory.

    Args:
      outputs: what the network returned for `batch["low"]`.
      batch: "low", "high" where a target is needed, optionally "mask".
      state: the run before this step.
      key: for terms that sample.
    """
    clip, mask = outputs["clip"], batch.get("mask")
    total = jnp.zeros(clip.shape[0], jnp.float32)
    terms: Scalars = {}
    memory = dict(state.memory)
    if self.direct.losses:
      total, terms = self.direct(clip, batch["high"], state.frozen, mask=mask, key=key)
    for name, (weight, loss) in self.outputs.items():
      terms[name] = loss(outputs, batch, state.step)
      total += weight * terms[name]
    for name, (weight, carried, _) in self.carried.items():
      terms[name], memory[name] = carried(clip, batch["high"], state.memory[name], mask=mask)
      total += weight * terms[name]
    return total.mean(), {f"loss/{name}": term.mean() for name, term in terms.items()}, memory


def make_objective(weights: Mapping[str, float], **vgg: Any) -> Objective:
  """The objective of the terms in `weights`, from all three registries of `llve_jax.losses`.

  Args:
    weights: factor of each term; 0 drops it.
    **vgg: `vgg19` and `fallback` of `losses.compose`.

  Raises:
    UserError: an unknown name, or see `losses.compose`.
  """
  other = OUTPUT_LOSSES.keys() | CARRIED_LOSSES.keys()
  known = sorted(LOSSES.keys() | other)
  if unknown := sorted(weights.keys() - set(known)):
    raise UserError(f"no loss is named {', '.join(unknown)}; known: {', '.join(known)}")
  active = {name: weight for name, weight in weights.items() if weight}
  return Objective(
    compose({name: weight for name, weight in weights.items() if name not in other}, **vgg),
    {name: (active[name], OUTPUT_LOSSES[name]) for name in active if name in OUTPUT_LOSSES},
    {name: (active[name], *CARRIED_LOSSES[name]) for name in active if name in CARRIED_LOSSES},
  )
