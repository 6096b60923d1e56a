"""A weighted sum of losses that always reports every term."""

import dataclasses
import math
import numbers
import os
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.io.vgg19 import load_vgg19
from llve_jax.io.weights import packaged_vgg16
from llve_jax.losses.contract import Clip, Mask, PerClip, check_same_shape, trusted
from llve_jax.losses.vgg import FeatureMaps, Vgg, VggLoss, as_images, per_clip

Loss = Callable[..., PerClip]
Vgg19 = str | os.PathLike[str] | Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Composed:
  """Call it: `total, terms = objective(pred, target, frozen)`.

  Attributes:
    weights: factor of each active term.
    losses: the functions, under the same names.
    frozen: weights of the fixed networks the terms look through, {} if none: numpy arrays. Place
      them on the devices once (`jax.device_put(objective.frozen, replicated)`) and pass them to
      the jitted step as an argument; left out, they become constants of the compiled program.
  """

  weights: Mapping[str, float]
  losses: Mapping[str, Loss]
  frozen: Mapping[str, Any]

  def __call__(
    self,
    pred: Clip,
    target: Clip,
    frozen: Mapping[str, Any] | None = None,
    *,
    mask: Mask | None = None,
    key: Array | None = None,
  ) -> tuple[PerClip, dict[str, PerClip]]:
    """Total [b], weighted, and terms {name: [b]}, unweighted. Computed in float32.

    Args:
      pred: the network's output, not clipped.
      target: what it should be.
      frozen: `self.frozen`, passed through jit.
      mask: 1 where the target may be trusted, 0 elsewhere; None: everywhere. What it does to a term
        is said in `losses/contract.py`.
      key: random key for terms that sample (`cobi_...`); None: they use a fixed lattice.

    Raises:
      ValueError: pred and target differ in shape, or the mask does not fit.
    """
    check_same_shape(pred, target)
    pred, target = (jnp.asarray(clip, jnp.float32) for clip in (pred, target))
    frozen = self.frozen if frozen is None else frozen
    seen, _ = trusted(pred, target, mask)
    passes: dict[Vgg, tuple[FeatureMaps, FeatureMaps, Float[Array, ""]]] = {}
    for vgg, layers in _layers(self.losses).items():  # once for all terms that look through it
      weights = frozen.get(vgg.network, {})
      maps, target_maps = (
        vgg.features(as_images(clip), weights, layers) for clip in (seen, target)
      )
      passes[vgg] = (maps, target_maps, vgg.span(weights))
    terms = {}
    for name, loss in self.losses.items():
      if isinstance(loss, VggLoss):
        terms[name] = per_clip(loss.of_maps(*passes[loss.vgg], key), pred)
      else:
        terms[name] = loss(pred, target, mask=mask)
    total = jnp.zeros(pred.shape[0], jnp.float32)
    for name, term in terms.items():
      total += self.weights[name] * term
    return total, terms


def build_composed(
  weights: Mapping[str, float],
  losses: Mapping[str, Loss],
  vgg19: Vgg19 | None = None,
  fallback: bool = False,
) -> Composed:
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
  try:
    return Composed(active, chosen, _frozen(chosen, vgg19))
  except UserError:
    if not fallback:
      raise
  chosen = {
    name: loss.on_vgg16() if isinstance(loss, VggLoss) else loss for name, loss in chosen.items()
  }
  return Composed(active, chosen, _frozen(chosen, None))


def _frozen(losses: Mapping[str, Loss], vgg19: Vgg19 | None) -> dict[str, Any]:
  """For each network in use, the weights of the layers that any of the losses needs.

  Raises:
    UserError: there are none, or not of a layer; names the loss.
  """
  frozen: dict[str, Any] = {}
  for name, loss in losses.items():
    if not isinstance(loss, VggLoss) or not loss.vgg.convolutions(loss.layers):
      continue
    try:
      source = _source(loss.vgg.network, vgg19)
      part = loss.vgg.weights(loss.layers, source)
    except UserError as error:
      raise UserError(
        f"loss {name!r}: {error}; or fall back on VGG-16: compose(..., fallback=True)"
      ) from error
    held = frozen.get(loss.vgg.network, {})
    frozen[loss.vgg.network] = part if len(part) > len(held) else held
  return frozen


def _source(network: str, vgg19: Vgg19 | None) -> Mapping[str, Any]:
  if network == "vgg16":
    return packaged_vgg16()
  return vgg19 if isinstance(vgg19, Mapping) else load_vgg19(vgg19)


def _layers(losses: Mapping[str, Loss]) -> dict[Vgg, tuple[str, ...]]:
  """For each way a network is run, all layers any of the losses needs, each once."""
  layers: dict[Vgg, tuple[str, ...]] = {}
  for loss in losses.values():
    if isinstance(loss, VggLoss):
      both = (*layers.get(loss.vgg, ()), *loss.layers)
      layers[loss.vgg] = tuple(dict.fromkeys(both))
  return layers
