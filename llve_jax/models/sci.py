"""SCI: divides a frame by an illumination that a very small network estimates.

Ma et al., "Toward Fast, Flexible, and Robust Low-Light Image Enhancement", CVPR 2022
(arXiv 2204.10137): the first stage, which is all that runs after training. The later stages and the
calibration network, which make the stages agree in training, are not here.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.models.contract import Traits, check_clip

DARKEST = 1e-4  # smallest illumination


class Illumination(nn.Module):
  """3x3 convolution, residual blocks that share their weights, 3x3 convolution, sigmoid."""

  features: int
  blocks: int
  deviation: float
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Float[Array, "n h w 3"], train: bool) -> Float[Array, "n h w 3"]:
    """What is added to the frame to make its illumination; in [0, 1]."""

    def conv(features: int, name: str) -> nn.Conv:
      init = nn.initializers.normal(self.deviation)
      return nn.Conv(features, (3, 3), kernel_init=init, dtype=self.dtype, name=name)

    x = nn.relu(conv(self.features, "entry")(images.astype(self.dtype)))
    block = conv(self.features, "block")
    # PyTorch's epsilon and momentum.
    norm = nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5, name="norm")
    for _ in range(self.blocks):
      normalised = norm(block(x).astype(jnp.float32))  # statistics need 32 bits
      x = x + nn.relu(normalised).astype(self.dtype)
    return nn.sigmoid(conv(3, "exit")(x).astype(jnp.float32))


class SCI(nn.Module):
  """Enhances each frame by itself; time is folded into the batch.

  Attributes:
    features: channels of the hidden convolutions.
    blocks: how often the one residual block is applied.
    deviation: standard deviation of the kernels before training.
    dtype: type of the computation; parameters and statistics stay float32.
    remat: recompute the network in the backward pass instead of storing its activations.
  """

  features: int = 3
  blocks: int = 1
  deviation: float = 0.02
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def traits(self) -> Traits:
    """One 3x3 convolution per block, one before, one behind."""
    return Traits(stride=1, receptive_field=1 + 2 * (self.blocks + 2))

  @nn.compact
  def __call__(
    self, clip: Float[Array, "b t h w 3"], *, train: bool = False
  ) -> dict[str, Float[Array, "b t h w 3"]]:
    """Enhances sRGB frames in [0, 1].

    Returns:
      `clip`, the frames over `illumination`, and that itself, both of the same shape. Illumination
      is in [1e-4, 1] and nowhere below the frame, so the result is in [0, 1] by itself.
    """
    check_clip("sci", clip, self.traits)
    images = clip.reshape(-1, *clip.shape[2:]).astype(jnp.float32)
    make = nn.remat(Illumination, static_argnums=(2,)) if self.remat else Illumination
    added = make(self.features, self.blocks, self.deviation, self.dtype, name="illumination")(
      images, train
    )
    illumination = jnp.clip(images + added, DARKEST, 1.0)
    return {
      "clip": (images / illumination).reshape(clip.shape),
      "illumination": illumination.reshape(clip.shape),
    }
