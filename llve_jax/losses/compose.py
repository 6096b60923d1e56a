"""A weighted sum of losses that always reports every term."""

import dataclasses
import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.io.weights import packaged_vgg16
from llve_jax.losses.contract import check_same_shape
from llve_jax.losses.vgg import Vgg16Loss, as_images, layers_up_to, per_clip, vgg16_features

PerClip = Float[Array, "b"]


@dataclasses.dataclass(frozen=True, eq=False)
class Objective:
  """Call it: `total, terms = objective(pred, target, frozen)`.

  Attributes:
    weights: factor of each active term.
    losses: the functions, under the same names.
    frozen: weights of the fixed networks the terms look through, {} if none: numpy arrays. Place
      them on the devices once (`jax.device_put(objective.frozen, replicated)`) and pass them to
      the jitted step as an argument; left out, they become constants of the compiled program.
  """

  weights: Mapping[str, float]
  losses: Mapping[str, Callable[..., PerClip]]
  frozen: Mapping[str, Any]

  def __call__(
    self,
    pred: Float[Array, "b t h w c"],
    target: Float[Array, "b t h w c"],
    frozen: Mapping[str, Any] | None = None,
    *,
    key: Array | None = None,
  ) -> tuple[PerClip, dict[str, PerClip]]:
    """Total [b], weighted, and terms {name: [b]}, unweighted. Computed in float32.

    Args:
      pred: the network's output, not clipped.
      target: what it should be.
      frozen: `self.frozen`, passed through jit.
      key: random key for terms that sample (`cobi_vgg16`); None: they use a fixed lattice.

    Raises:
      ValueError: pred and target differ in shape.
    """
    check_same_shape(pred, target)
    pred, target = (jnp.asarray(clip, jnp.float32) for clip in (pred, target))
    frozen = self.frozen if frozen is None else frozen
    layers = _layers(self.losses)
    if layers:  # once for all terms that look through the network
      maps, target_maps = (
        vgg16_features(as_images(clip), frozen["vgg16"], layers) for clip in (pred, target)
      )
    terms = {}
    for name, loss in self.losses.items():
      if isinstance(loss, Vgg16Loss):
        terms[name] = per_clip(loss.compare(maps, target_maps, key), pred)
      else:
        terms[name] = loss(pred, target)
    total = jnp.zeros(pred.shape[0], jnp.float32)
    for name, term in terms.items():
      total += self.weights[name] * term
    return total, terms


def build_objective(
  weights: Mapping[str, float], losses: Mapping[str, Callable[..., PerClip]]
) -> Objective:
  """The objective of the terms in `weights`, looked up in `losses`: `llve_jax.losses.compose`."""
  active: dict[str, float] = {}
  for name in weights:
    weight = weights[name]
    if name not in losses:
      raise UserError(f"no loss is named {name!r}; known: {', '.join(sorted(losses))}")
    if (
      isinstance(weight, bool) or not isinstance(weight, numbers.Real) or not math.isfinite(weight)
    ):
      raise UserError(f"weight of loss {name!r}: expected a finite number, found {weight!r}")
    if weight != 0:
      active[name] = float(weight)
  chosen = {name: losses[name] for name in active}
  frozen = {}
  layers = _layers(chosen)
  if layers:
    vgg16 = packaged_vgg16()
    frozen["vgg16"] = {name: vgg16[name] for name in layers_up_to(layers)}
  return Objective(active, chosen, frozen)


def _layers(losses: Mapping[str, Callable[..., PerClip]]) -> tuple[str, ...]:
  """All VGG-16 layers any of the losses needs, each once."""
  vgg_losses = [loss for loss in losses.values() if isinstance(loss, Vgg16Loss)]
  return tuple(dict.fromkeys(layer for loss in vgg_losses for layer in loss.layers))
