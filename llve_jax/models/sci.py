"""SCI: divides a frame by an illumination that a very small network estimates.

Ma et al., "Toward Fast, Flexible, and Robust Low-Light Image Enhancement", CVPR 2022
(arXiv 2204.10137). One stage is all that runs after training. In training the same network runs in
several stages, and a second one, the calibration, makes what they see alike.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.models.blocks import Conv
from llve_jax.models.contract import Traits, check_clip

DARKEST = 1e-4  # smallest illumination


def _conv(features: int, deviation: float, dtype: Any, name: str) -> nn.Conv:
  init = nn.initializers.normal(deviation)
  return Conv(features, (3, 3), kernel_init=init, dtype=dtype, name=name)


def _norm(train: bool, name: str) -> nn.BatchNorm:
  """PyTorch's epsilon and momentum."""
  return nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5, name=name)


class Illumination(nn.Module):
  """3x3 convolution, residual blocks that share their weights, 3x3 convolution, sigmoid."""

  features: int
  blocks: int
  deviation: float
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Float[Array, "n h w 3"], train: bool) -> Float[Array, "n h w 3"]:
    """What is added to the frame to make its illumination; in [0, 1]."""
    x = _conv(self.features, self.deviation, self.dtype, "entry")(images.astype(self.dtype))
    x = nn.relu(x)
    block = _conv(self.features, self.deviation, self.dtype, "block")
    norm = _norm(train, "norm")
    for _ in range(self.blocks):
      normalised = norm(block(x).astype(jnp.float32))  # statistics need 32 bits
      x = x + nn.relu(normalised).astype(self.dtype)
    x = _conv(3, self.deviation, self.dtype, "exit")(x)
    return nn.sigmoid(x.astype(jnp.float32))


class Calibration(nn.Module):
  """The same form, normalised throughout; each residual block has two convolutions."""

  features: int
  blocks: int
  deviation: float
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Float[Array, "n h w 3"], train: bool) -> Float[Array, "n h w 3"]:
    """What is added to the frame to make the next stage's input, in [-1, 1], of the result."""
    pairs = [
      (_conv(self.features, self.deviation, self.dtype, name), _norm(train, f"{name}_norm"))
      for name in ("entry", "block_0", "block_1")
    ]

    def layer(x: Array, index: int) -> Array:
      conv, norm = pairs[index]
      return nn.relu(norm(conv(x).astype(jnp.float32))).astype(self.dtype)

    x = layer(images.astype(self.dtype), 0)
    for _ in range(self.blocks):
      x = x + layer(layer(x, 1), 2)
    x = _conv(3, self.deviation, self.dtype, "exit")(x)
    return images - nn.sigmoid(x.astype(jnp.float32))


class SCI(nn.Module):
  """Enhances each frame by itself; time is folded into the batch.

  Attributes:
    features: channels of the hidden convolutions.
    blocks: how often the one residual block is applied.
    stages: how often the network runs in training; published: 3. More than one adds the parameters
      of the calibration, which the result after training does not need.
    calibration_features: channels of the calibration's hidden convolutions.
    calibration_blocks: how often its one residual block is applied.
    deviation: standard deviation of the kernels before training.
    dtype: type of the computation; parameters and statistics stay float32.
    remat: recompute the networks in the backward pass instead of storing their activations.
  """

  features: int = 3
  blocks: int = 1
  stages: int = 1
  calibration_features: int = 16
  calibration_blocks: int = 3
  deviation: float = 0.02
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def traits(self) -> Traits:
    """One 3x3 convolution per block, one before, one behind: the first stage."""
    return Traits(stride=1, receptive_field=1 + 2 * (self.blocks + 2))

  @nn.compact
  def __call__(
    self, clip: Float[Array, "b t h w 3"], *, train: bool = False
  ) -> dict[str, Float[Array, "b t ..."]]:
    """Enhances sRGB frames in [0, 1].

    Returns:
      `clip`, the frames over `illumination`, and that itself, both of the same shape and of the
      first stage. Illumination is in [1e-4, 1] and nowhere below the frame, so the result is in
      [0, 1] by itself. In training also `inputs` and `illuminations` of all stages, [b, t, stages,
      h, w, 3]: what `losses.illumination` compares. Inputs of later stages are in [-1, 2].

    Raises:
      UserError: fewer than one stage.
    """
    if self.stages < 1:
      raise UserError(f"stages is {self.stages}; sci needs at least 1")
    check_clip("sci", clip, self.traits)
    images = clip.reshape(-1, *clip.shape[2:]).astype(jnp.float32)
    estimate = self._network(Illumination, self.features, self.blocks, "illumination")
    inputs = [images]
    illuminations: list[Array] = []
    # The calibration's parameters must be there whatever the mode they are drawn in.
    for stage in range(self.stages if train or self.is_initializing() else 1):
      if stage == 1:
        calibrate = self._network(
          Calibration, self.calibration_features, self.calibration_blocks, "calibration"
        )
      if stage:
        result = jnp.clip(images / illuminations[-1], 0.0, 1.0)
        inputs.append(images + calibrate(result, train))
      added = estimate(inputs[-1], train)
      illuminations.append(jnp.clip(inputs[-1] + added, DARKEST, 1.0))
    outputs = {
      "clip": (images / illuminations[0]).reshape(clip.shape),
      "illumination": illuminations[0].reshape(clip.shape),
    }
    if train:
      for name, maps in (("inputs", inputs), ("illuminations", illuminations)):
        stacked = jnp.stack(maps, axis=1)
        outputs[name] = stacked.reshape(*clip.shape[:2], *stacked.shape[1:])
    return outputs

  def _network(self, kind: type[nn.Module], features: int, blocks: int, name: str) -> nn.Module:
    make = nn.remat(kind, static_argnums=(2,)) if self.remat else kind
    return make(features, blocks, self.deviation, self.dtype, name=name)
