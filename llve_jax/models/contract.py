"""What every network says about itself, so that tools need not ask for its name."""

import dataclasses

from jaxtyping import Array

# Channels of an input clip. "mosaic" is one plane as the sensor laid it out; "bayer" and "xtrans"
# are packed (`llve_jax.ops.mosaic`); "raw_rgb" is linear light.
CHANNELS = {"srgb": 3, "raw_rgb": 3, "mosaic": 1, "bayer": 4, "xtrans": 9}
# Pixels of the sensor along a side for one of the packed input.
PACKING = {"bayer": 2, "xtrans": 3}


@dataclasses.dataclass(frozen=True)
class Traits:
  """How a network may be run.

  Attributes:
    stride: sizes the network divides the frame by; tiles must start at multiples of it.
    receptive_field: side in pixels (odd) of the input square, centred on an output pixel, that
      holds all it can depend on; half of it is the overlap that tiles need.
    whole_frame_only: the network uses statistics of the whole frame, so tiles change its result.
    input_kind: key of `CHANNELS`: "srgb" (gamma-encoded), "raw_rgb", "mosaic", "bayer", "xtrans".
    value_range: the range of input values.
    scale: output pixels per input pixel along a side.
    frames: frames (odd) around an output frame, itself in the middle, that it can depend on; 1 is
      a network that looks at one frame at a time. Means nothing where `streaming` is true.
    streaming: the network is causal and remembers: `__call__(clip, carry=None)` also returns
      "carry", and a clip cut in two gives the same frames when the carry of the first part is
      passed to the second. `carry=None` starts anew.
    least_side: smallest height and width, in pixels, that the network takes.
    least_frames: shortest clip, in frames, that the network takes.
    context: side of the small picture of the whole frame (`ops.thumbnail`) that `__call__` takes as
      `context` [b, t, context, context, c]; 0: it takes none. With it, a part of the frame gives
      that part of the result, inside the receptive field; without it, the network takes the clip
      it is given for the whole frame.
    discontinuous: the network chooses places by comparing values (max-unpooling): where two are all
      but equal, rounding chooses, and a few pixels of the result jump.
  """

  stride: int
  receptive_field: int
  whole_frame_only: bool = False
  input_kind: str = "srgb"
  value_range: tuple[float, float] = (0.0, 1.0)
  scale: int = 1
  frames: int = 1
  streaming: bool = False
  least_side: int = 1
  least_frames: int = 1
  context: int = 0
  discontinuous: bool = False

  @property
  def single_frames(self) -> bool:
    """Whether the network looks at each frame by itself."""
    return self.frames == 1 and not self.streaming

  @property
  def packing(self) -> int:
    """Pixels of the sensor, or of a video, along a side for one of an input clip."""
    return PACKING.get(self.input_kind, 1)

  @property
  def channels(self) -> int:
    """Channels of an input clip."""
    return CHANNELS[self.input_kind]


def check_clip(name: str, clip: Array, traits: Traits) -> None:
  """Refuses a clip that a network cannot take. Symbolic sizes pass.

  Raises:
    ValueError: not [b, t, h, w, c], another number of channels, or too short or too small.
  """
  if clip.ndim != 5 or clip.shape[-1] != traits.channels:
    raise ValueError(
      f"{name} takes {traits.input_kind} clips [b, t, h, w, {traits.channels}], found {clip.shape}"
    )
  _, time, height, width, _ = clip.shape
  if isinstance(time, int) and time < traits.least_frames:
    raise ValueError(f"{name} needs clips of {traits.least_frames} frames at least, found {time}")
  for side in (height, width):
    if isinstance(side, int) and side < traits.least_side:
      raise ValueError(
        f"{name} needs frames of {traits.least_side} x {traits.least_side} pixels at least, found "
        f"{height} x {width}"
      )
