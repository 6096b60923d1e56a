"""One step on pairs of noisy frames of a still scene: right, and both the same.

Chen et al., "Seeing Motion in the Dark", ICCV 2019 (SMID). With F a loss on images and a, b the
outputs for two frames of one scene, F(a, target) + F(b, target) + 0.05 F(a, b) is minimised: what
differs between a and b can only be noise that the network let through.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import optax
from jaxtyping import Array

from llve_jax.errors import UserError
from llve_jax.losses.consistency import SIAMESE_WEIGHT, siamese
from llve_jax.losses.temporal import ACROSS_FRAMES
from llve_jax.train.objective import Objective
from llve_jax.train.state import Batch, Scalars, State, Step, apply_train, variables_of
from llve_jax.train.update import advance, descend, gradient_of


def make_step(
  module: nn.Module,
  objective: Objective,
  optimizer: optax.GradientTransformation,
  *,
  weight: float = SIAMESE_WEIGHT,
  average_decay: float = 0.999,
  accumulate: int = 1,
) -> Step:
  """Returns `step(state, batch) -> (state, scalars)`; jit it with a sharding.

  A batch holds "low" of exactly two frames per clip and "high", whose first frame is the target of
  both. The network sees the frames as images that have nothing to do with each other. With "mask"
  every term, the agreement too, looks at pixels that both frames trust: where a target does not
  fit, something moved.

  Scalars: `loss`; every term of the objective, the mean of both frames, unweighted, as `loss/NAME`;
  `loss/siamese`, the agreement F(a, b), unweighted; `gradient_norm`.

  Args:
    module: the network.
    objective: F; only losses of an output and a target.
    optimizer: of the network.
    weight: of the agreement.
    average_decay: of the moving average.
    accumulate: parts of the batch whose gradients are taken one after the other.

  Raises:
    UserError: the objective has other losses, or none. When the step is traced: clips of other than
      two frames.
  """
  across = [name for name, loss in objective.direct.losses.items() if loss in ACROSS_FRAMES]
  if other := [*objective.outputs, *objective.carried, *across]:
    raise UserError(
      "the siamese step takes losses that compare an output frame with a target or another output; "
      f"{', '.join(other)} cannot"
    )
  if not objective.direct.losses:
    raise UserError(
      "the siamese step needs a loss; expected at least one with a weight, found none"
    )

  def step(state: State, batch: Batch) -> tuple[State, Scalars]:
    if batch["low"].shape[1] != 2:
      raise UserError(
        "the siamese step takes two frames of a still scene, found clips of "
        f"{batch['low'].shape[1]}; set the data's frames to 2"
      )

    def loss(params: Any, stats: Any, part: Batch, key: Array) -> tuple[Array, tuple[Any, Scalars]]:
      low, target = part["low"], part["high"][:, :1]
      mask = jnp.min(part["mask"], axis=1, keepdims=True) if "mask" in part else None
      images = low.reshape(-1, 1, *low.shape[2:])
      output, stats = apply_train(module, variables_of(params, stats), images, key)
      clip = output["clip"]
      pair = clip.reshape(-1, 2, *clip.shape[2:])
      measured: list[tuple[Array, Scalars]] = []

      def distance(first: Array, second: Array) -> Array:
        measured.append(objective.direct(first, second, state.frozen, mask=mask, key=key))
        return measured[-1][0]

      total = siamese(distance, pair[:, :1], pair[:, 1:], target, weight=weight).mean()
      (_, first_terms), (_, second_terms), (agreement, _) = measured
      scalars = {
        f"loss/{name}": 0.5 * (first_terms[name] + second_terms[name]).mean()
        for name in first_terms
      }
      return total, (stats, scalars | {"loss": total, "loss/siamese": agreement.mean()})

    gradient, stats, scalars = gradient_of(
      loss, state.generator, batch, state.step_key(), accumulate
    )
    scalars["gradient_norm"] = optax.global_norm(gradient)
    generator = descend(state.generator, gradient, optimizer, stats, state.rate)
    return advance(state, generator, average_decay), scalars

  return step
