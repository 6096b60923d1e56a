"""Losses that ask two outputs of one network to agree. They need more than (pred, target).

Chen et al., "Seeing Motion in the Dark", ICCV 2019 (SMID): two frames of one still scene.
Zhang et al., "Learning Temporal Consistency for Low Light Video Enhancement from Single Images",
CVPR 2021 (StableLLVE): one image, and the same image moved.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.losses.contract import Clip, Mask, PerClip, check_same_shape
from llve_jax.losses.pixel import l1
from llve_jax.ops.flow import inside_frame, warp

SIAMESE_WEIGHT = 0.05
WARP_WEIGHT = 20.0


def siamese(
  distance: Callable[[Clip, Clip], PerClip],
  first: Clip,
  second: Clip,
  target: Clip,
  *,
  weight: float = SIAMESE_WEIGHT,
) -> PerClip:
  """F(first, target) + F(second, target) + weight * F(first, second), as SMID is trained.

  Args:
    distance: F, any loss on clips; SMID's is `vgg19_smid`.
    first: output for one noisy frame of a still scene.
    second: output for another.
    target: the scene without noise.
    weight: of the outputs' own agreement.
  """
  supervised = distance(first, target) + distance(second, target)
  return supervised + weight * distance(first, second)


def warp_consistency(
  moved_then_enhanced: Clip,
  enhanced: Clip,
  flow: Float[Array, "b t h w 2"],
  *,
  weight: float = WARP_WEIGHT,
  mask: Mask | None = None,
  released: bool = False,
) -> PerClip:
  """weight * L1 between net(warp(x)) and warp(net(x)): enhancing must not depend on the place.

  Pixels that come from outside the frame are left out.

  Args:
    moved_then_enhanced: the network's output for the frames that `ops.flow.warp` moved by `flow`.
    enhanced: its output for the frames as they were.
    flow: (dx, dy) in pixels, as the module `ops.flow` has it; a random plausible one will do.
    weight: of this term beside L1 to the target.
    mask: 1 for pixels of the moved frames that may be trusted.
    released: count every pixel, as the released program does: the moved output is 0 where it comes
      from outside the frame, whatever the network makes of it.

  Raises:
    ValueError: the shapes do not fit.
  """
  check_same_shape(moved_then_enhanced, enhanced)
  enhanced_then_moved = warp(enhanced, flow, border="zero")
  if released:
    return weight * l1(moved_then_enhanced, enhanced_then_moved, mask=mask)
  inside = jnp.asarray(inside_frame(flow), enhanced.dtype)
  known = inside if mask is None else inside * jnp.asarray(mask, enhanced.dtype)
  return weight * l1(moved_then_enhanced, enhanced_then_moved, mask=known)
