"""System B's recurrent network: ResNet-18 features, fused over scales, then a convolutional LSTM.

System B (course project, NTU: "Batman") follows ST-CLSTM (Zhang et al., "Exploiting Temporal
Consistency for Real-Time Video Depth Estimation", ICCV 2019). Its report gives the cell; widths
behind it and the step to full resolution (a head of 12 channels, spread over 2 x 2 pixels) are
ours. The code it published is another network, here `form="released"`.
"""

from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.models.blocks import Conv, ConvNorm, turns_at_once
from llve_jax.models.contract import CHANNELS, Traits, check_clip
from llve_jax.models.resnet_encoder import FrameFeatures, Path, feature_paths, receptive_field
from llve_jax.ops.resize import bilinear_enlarge, crop_to, pad_to_multiple
from llve_jax.ops.space import depth_to_space

Memory = dict[str, Array]


class ReportCell(nn.Module):
  """The cell of the report: cell state and output gate are joined and refined, not multiplied.

  With features f, hidden map h and * a 3x3 convolution with bias:

      F = sigmoid([f, h] * W_F)    I = sigmoid([f, h] * W_I)    G = tanh([f, h] * W_C)
      C' = F . C + I . G           O = sigmoid([f, h] * W_O)    h', y = Refine([C', O])

  Refine is two 5x5 convolutions with normalisation and ReLU; then 5x5 gives the output, 3x3 the
  hidden map. One convolution makes all gates, in the order F, I, G, O.

  Attributes:
    cell: channels of the cell state and of the hidden map.
    output: channels of the output gate.
    features: channels of y.
  """

  cell: int = 16
  output: int = 64
  features: int = 12
  dtype: Any = jnp.float32

  def start(self, maps: Float[Array, "b t h w c"]) -> Memory:
    """Nothing remembered yet."""
    shape = (maps.shape[0], *maps.shape[2:4], self.cell)
    return {"hidden": jnp.zeros(shape, jnp.float32), "cell": jnp.zeros(shape, jnp.float32)}

  @nn.compact
  def __call__(
    self, memory: Memory, maps: Float[Array, "b h w c"], train: bool = False
  ) -> tuple[Memory, Float[Array, "b h w d"]]:
    """One frame. The state stays float32, since it adds up over a whole video."""
    joined = jnp.concatenate([maps, memory["hidden"].astype(self.dtype)], axis=-1)
    gates = Conv(3 * self.cell + self.output, (3, 3), dtype=self.dtype, name="gates")(joined)
    cuts = (self.cell, 2 * self.cell, 3 * self.cell)
    forget, take, new, output = jnp.split(gates.astype(jnp.float32), cuts, axis=-1)
    cell = jax.nn.sigmoid(forget) * memory["cell"] + jax.nn.sigmoid(take) * jnp.tanh(new)
    x = jnp.concatenate([cell, jax.nn.sigmoid(output)], axis=-1).astype(self.dtype)
    for name in ("refine_0", "refine_1"):
      x = nn.relu(ConvNorm(x.shape[-1], 5, dtype=self.dtype, name=name)(x, train=train))
    y = Conv(self.features, (5, 5), dtype=self.dtype, name="head")(x)
    hidden = Conv(self.cell, (3, 3), dtype=self.dtype, name="hidden")(x)
    return {"hidden": hidden.astype(jnp.float32), "cell": cell}, y.astype(jnp.float32)


class ReleasedCells(nn.Module):
  """The published code: two usual cells, h = O . tanh(C), the second one's h is the image.

  Shi et al., "Convolutional LSTM Network", NIPS 2015. The peephole weights of the code are zeros
  that no optimiser sees, so there are none here.

  Attributes:
    widths: channels of the cells.
  """

  widths: Sequence[int] = (32, 3)
  dtype: Any = jnp.float32

  def start(self, maps: Float[Array, "b t h w c"]) -> Memory:
    """Nothing remembered yet."""
    size = (maps.shape[0], *maps.shape[2:4])
    return {
      f"{name}_{index}": jnp.zeros((*size, width), jnp.float32)
      for index, width in enumerate(self.widths)
      for name in ("hidden", "cell")
    }

  @nn.compact
  def __call__(
    self, memory: Memory, maps: Float[Array, "b h w c"], train: bool = False
  ) -> tuple[Memory, Float[Array, "b h w d"]]:
    """One frame; values in (-1, 1)."""
    del train
    after: Memory = {}
    hidden = maps.astype(jnp.float32)
    for index, width in enumerate(self.widths):
      joined = jnp.concatenate([hidden, memory[f"hidden_{index}"]], axis=-1).astype(self.dtype)
      gates = Conv(4 * width, (3, 3), dtype=self.dtype, name=f"gates_{index}")(joined)
      forget, take, new, output = jnp.split(gates.astype(jnp.float32), 4, axis=-1)
      kept = jax.nn.sigmoid(forget) * memory[f"cell_{index}"]
      cell = kept + jax.nn.sigmoid(take) * jnp.tanh(new)
      hidden = jax.nn.sigmoid(output) * jnp.tanh(cell)
      after |= {f"hidden_{index}": hidden, f"cell_{index}": cell}
    return after, hidden


class ConvLSTM(nn.Module):
  """Brightens video frame by frame, with a memory.

  Attributes:
    width: channels of the encoder's first level; all others follow from it.
    blocks: basic blocks of each level of the encoder.
    form: "report": features of all levels without decoder, the report's cell, full resolution.
      "released": decoder and two levels, two usual cells, computed at half the resolution and
      enlarged bilinearly; the result has `half` too, which is what that code compares with a target
      of half the size. It gives the encoder pixels without ImageNet's normalisation.
    align_corners: how maps are enlarged; ST-CLSTM aligns corners, so that every pixel's place
      depends on the size of the frame and tiles change the result. False allows tiles.
    freeze_encoder: the encoder keeps its weights, as in the published code; for imported ones.
    input_kind: "raw_rgb" as System B has it, or "srgb".
    dtype: type of the computation; parameters and memory stay float32.
    remat: recompute blocks and frames in the backward pass instead of storing their activations.
  """

  width: int = 64
  blocks: Sequence[int] = (2, 2, 2, 2)
  form: Literal["report", "released"] = "report"
  align_corners: bool = True
  freeze_encoder: bool = False
  input_kind: str = "raw_rgb"
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def _released(self) -> bool:
    if self.form not in ("report", "released"):
      raise UserError(f'form is {self.form!r}; expected "report" or "released"')
    return self.form == "released"

  @property
  def _fused(self) -> int:
    return min(2, len(self.blocks)) if self._released else len(self.blocks)

  @property
  def traits(self) -> Traits:
    """The field is that of a single frame: each frame back adds 12 pixels to either side."""
    if CHANNELS.get(self.input_kind) != 3:
      raise UserError(f'input_kind is {self.input_kind!r}; expected "raw_rgb" or "srgb"')
    head: Path = [("conv", 3), ("conv", 3), ("enlarge", 2)]
    if not self._released:
      head = [("conv", 3), ("conv", 5), ("conv", 5), ("conv", 5), ("spread", 2)]
    stride = 2 ** (len(self.blocks) + 1)
    features = feature_paths(self.blocks, decoder=self._released, fused=self._fused)
    paths = [[*path, *head] for path in features]
    return Traits(
      stride=stride,
      receptive_field=receptive_field(paths, stride, align_corners=self.align_corners),
      whole_frame_only=self.align_corners,
      input_kind=self.input_kind,
      streaming=True,
    )

  @nn.compact
  def __call__(
    self,
    clip: Float[Array, "b t h w 3"],
    carry: Memory | None = None,
    *,
    train: bool = False,
  ) -> dict[str, Any]:
    """Enhances frames in [0, 1]: `clip`, of the same shape and not clipped, and `carry`.

    Args:
      clip: frames that follow those that `carry` comes from.
      carry: what the call before returned; None starts a video, or anew after a cut. The first
        frames of a video are worse than later ones, so do not cut it without need.
      train: normalise by the batch's statistics and move the stored ones.

    Raises:
      ValueError: a clip that does not fit, or a carry of another size or form.
    """
    check_clip("conv_lstm", clip, self.traits)
    batch, time, height, width, _ = clip.shape
    frames = pad_to_multiple(clip.reshape(batch * time, height, width, 3), self.traits.stride)
    features = FrameFeatures(
      self.width,
      self.blocks,
      decoder=self._released,
      fused=self._fused,
      normalise=not self._released,
      align_corners=self.align_corners,
      freeze_encoder=self.freeze_encoder,
      dtype=self.dtype,
      remat=self.remat,
      name="features",
    )
    maps = features(frames, train=train)
    maps = maps.reshape(batch, time, *maps.shape[1:])
    memory, out = self._along_time(maps, carry, train)
    out = out.reshape(batch * time, *out.shape[2:])
    result: dict[str, Any] = {"carry": memory}
    if self._released:
      half = (out + 1) / 2
      kept = crop_to(half, (height + 1) // 2, (width + 1) // 2)
      result["half"] = kept.reshape(batch, time, *kept.shape[1:])
      out = bilinear_enlarge(half, 2, align_corners=self.align_corners)
    else:
      out = depth_to_space(out, 2)
    return result | {"clip": crop_to(out, height, width).reshape(clip.shape)}

  def _along_time(
    self, maps: Float[Array, "b t h w c"], carry: Memory | None, train: bool
  ) -> tuple[Memory, Float[Array, "b t h w d"]]:
    """Runs the cell over every frame: (last memory, outputs)."""
    cell: ReportCell | ReleasedCells
    if self._released:
      cell = ReleasedCells((max(1, self.width // 2), 3), dtype=self.dtype, name="cell")
    else:
      cell = ReportCell(max(1, self.width // 4), self.width, dtype=self.dtype, name="cell")
    memory = cell.start(maps)
    if carry is not None:
      expected, found = (jax.tree.map(jnp.shape, tree) for tree in (memory, carry))
      if expected != found:
        raise UserError(
          f"conv_lstm needs the carry of frames of the same size and form, {expected}; found "
          f"{found}; start anew with carry=None"
        )
      memory = carry

    def step(cell: nn.Module, memory: Memory, frame: Array) -> tuple[Memory, Array]:
      return cell(memory, frame, train)

    moving = self.is_mutable_collection("batch_stats")
    if self.is_initializing():  # a loop cannot make the statistics that it carries along
      cell(memory, maps[:, 0], train)
    scan = nn.scan(
      nn.remat(step, prevent_cse=False) if self.remat else step,
      variable_broadcast=["params"] if moving else ["params", "batch_stats"],
      variable_carry="batch_stats" if moving else (),
      split_rngs={"params": False},
      in_axes=1,
      out_axes=1,
      unroll=turns_at_once(maps.shape[1]),
    )
    return scan(cell, memory, maps)
