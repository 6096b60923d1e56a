"""Losses by family: pixel, perceptual, contextual, adversarial. `LOSSES` names those on clips.

Each entry is a pure function `(pred, target) -> [b]` on clips [b, t, h, w, c].
"""

from collections.abc import Callable, Mapping

from jaxtyping import Array, Float

from llve_jax.losses.compose import Objective, build_objective
from llve_jax.losses.contextual import cobi_vgg16
from llve_jax.losses.perceptual import vgg16
from llve_jax.losses.pixel import charbonnier, l1, l2, tv

LOSSES: dict[str, Callable[..., Float[Array, "b"]]] = {
  "l1": l1,
  "l2": l2,
  "charbonnier": charbonnier,
  "tv": tv,
  "vgg16": vgg16,
  "cobi_vgg16": cobi_vgg16,
}


def compose(weights: Mapping[str, float]) -> Objective:
  """A weighted sum of entries of `LOSSES`, such as `compose({"l1": 1.0, "vgg16": 1.0})`.

  A weight of 0 drops the term: it is neither computed nor reported. With none left the total is 0.

  Returns:
    `objective`, called as `total, terms = objective(pred, target, frozen)`; see `Objective`.

  Raises:
    UserError: an unknown name (the message lists the known ones), or a weight that is no finite
      number.
  """
  return build_objective(weights, LOSSES)
