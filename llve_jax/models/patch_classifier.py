"""The classifier of System D: one score for a whole patch, real or generated.

The slides fix two convolution blocks with max-pooling and two fully connected blocks with dropout;
the widths are ours.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.models.blocks import Conv, leaky_relu
from llve_jax.ops.resize import max_pool_half


class PatchClassifier(nn.Module):
  """Convolution, leaky ReLU and pooling per width, then two dense layers with dropout between.

  Its first dense layer fits one size of patch: that of the images that the parameters were made
  with, 100 x 100 in System D. With `train=True` it draws from the random stream "dropout".

  Attributes:
    widths: channels of each block.
    hidden: features of the first dense layer.
    dropout: share of those features that is dropped in training; 0 needs no random stream.
    dtype: type of the computation; parameters stay float32.
  """

  widths: Sequence[int] = (32, 64)
  hidden: int = 128
  dropout: float = 0.5
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "n h w c"], *, train: bool = False
  ) -> Float[Array, "n 1 1 1"]:
    """sRGB images in [0, 1] -> unbounded scores (logits), as maps of one place.

    Raises:
      UserError: images too small to pool, or of another size than the parameters.
    """
    least = 2 ** len(self.widths)
    if min(images.shape[1:3]) < least:
      raise UserError(
        f"patch_classifier halves images {len(self.widths)} times, so both sides must be at least "
        f"{least}; found {images.shape[1]} x {images.shape[2]}; use larger crops or fewer widths"
      )
    x = images.astype(self.dtype)
    for index, features in enumerate(self.widths):
      conv = Conv(
        features,
        (3, 3),
        kernel_init=nn.initializers.he_normal(),
        dtype=self.dtype,
        name=f"conv_{index}",
      )
      x = max_pool_half(leaky_relu(conv(x)))
    x = x.reshape(x.shape[0], -1)
    self._check_size(x.shape[1], images.shape)
    hidden = nn.Dense(
      self.hidden, kernel_init=nn.initializers.he_normal(), dtype=self.dtype, name="hidden"
    )
    x = nn.Dropout(self.dropout, deterministic=not train)(leaky_relu(hidden(x)))
    logit = nn.Dense(1, dtype=self.dtype, name="logit")(x)
    return logit.astype(jnp.float32)[:, None, None]

  def _check_size(self, features: int, shape: tuple[int, ...]) -> None:
    """Flax would speak of kernels, which says little about crops."""
    made: Any = self.get_variable("params", "hidden")
    if made is not None and made["kernel"].shape[0] != features:
      raise UserError(
        f"patch_classifier's parameters were made for images that leave {made['kernel'].shape[0]} "
        f"features; images {shape} leave {features}; use crops of the size it was trained with"
      )
