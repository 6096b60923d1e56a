"""System B's other network: features of every frame, stacked over time, then a 3-D CNN.

System B (course project, NTU: "Batman"). The report names the parts, encoder, up-projection
decoder, multi-scale fusion and 3-D CNN; the layers of the last are ours, since its figure is lost,
and its published code does not have it.
"""

from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.models.blocks import SpaceTimeConv
from llve_jax.models.contract import CHANNELS, Traits, check_clip
from llve_jax.models.resnet_encoder import FrameFeatures, feature_paths, receptive_field
from llve_jax.ops.resize import crop_to, pad_to_multiple
from llve_jax.ops.space import depth_to_space


class CNN3D(nn.Module):
  """Brightens clips; every frame sees three frames to either side.

  Attributes:
    width: channels of the encoder's first level; those of its other parts follow from it.
    blocks: basic blocks of each level of the encoder.
    widths: channels of the 3 x 3 x 3 convolutions.
    temporal: how 3-D convolutions are computed, see `SpaceTimeConv`; the same numbers.
    align_corners: how maps are enlarged; ST-CLSTM aligns corners, so that every pixel's place
      depends on the size of the frame and tiles change the result. False allows tiles.
    freeze_encoder: the encoder keeps its weights; for imported ones.
    input_kind: "raw_rgb" as System B has it, or "srgb".
    dtype: type of the computation; parameters stay float32.
    remat: recompute blocks in the backward pass instead of storing their activations.
  """

  width: int = 64
  blocks: Sequence[int] = (2, 2, 2, 2)
  widths: Sequence[int] = (64, 64, 32)
  temporal: Literal["taps", "conv3d"] = "taps"
  align_corners: bool = True
  freeze_encoder: bool = False
  input_kind: str = "raw_rgb"
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def traits(self) -> Traits:
    """Follows from the layer list."""
    if CHANNELS.get(self.input_kind) != 3:
      raise UserError(f'input_kind is {self.input_kind!r}; expected "raw_rgb" or "srgb"')
    stride = 2 ** (len(self.blocks) + 1)
    head = [*[("conv", 3)] * len(self.widths), ("spread", 2)]
    features = feature_paths(self.blocks, decoder=True, fused=len(self.blocks))
    paths = [[*path, *head] for path in features]
    return Traits(
      stride=stride,
      receptive_field=receptive_field(paths, stride, align_corners=self.align_corners),
      whole_frame_only=self.align_corners,
      input_kind=self.input_kind,
      frames=1 + 2 * len(self.widths),
    )

  @nn.compact
  def __call__(
    self, clip: Float[Array, "b t h w 3"], *, train: bool = False
  ) -> dict[str, Float[Array, "b t h w 3"]]:
    """Enhances frames in [0, 1]; returns `clip`, of the same shape and not clipped."""
    check_clip("cnn3d", clip, self.traits)
    batch, time, height, width, _ = clip.shape
    frames = pad_to_multiple(clip.reshape(batch * time, height, width, 3), self.traits.stride)
    features = FrameFeatures(
      self.width,
      self.blocks,
      fused=len(self.blocks),
      align_corners=self.align_corners,
      freeze_encoder=self.freeze_encoder,
      dtype=self.dtype,
      remat=self.remat,
      name="features",
    )
    maps = features(frames, train=train)
    x = maps.reshape(batch, time, *maps.shape[1:])
    conv = nn.remat(SpaceTimeConv) if self.remat else SpaceTimeConv
    form: dict[str, Any] = {"temporal": self.temporal, "dtype": self.dtype}
    for index, channels in enumerate(self.widths):
      x = nn.relu(conv(channels, **form, name=f"conv_{index}")(x))
    x = SpaceTimeConv(12, (1, 1, 1), **form, name="head")(x).astype(jnp.float32)
    out = depth_to_space(x.reshape(batch * time, *x.shape[2:]), 2)
    return {"clip": crop_to(out, height, width).reshape(clip.shape)}
