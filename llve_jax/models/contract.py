"""What every network says about itself, so that tools need not ask for its name."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Traits:
  """How a network may be run.

  Attributes:
    stride: sizes the network divides the frame by; tiles must start at multiples of it.
    receptive_field: side in pixels (odd) of the input square, centred on an output pixel, that
      holds all it can depend on; half of it is the overlap that tiles need.
    whole_frame_only: the network uses statistics of the whole frame, so tiles change its result.
    input_kind: "srgb" (gamma-encoded), "bayer", "xtrans" or "raw_rgb".
    value_range: the range of input values.
    scale: output pixels per input pixel along a side.
  """

  stride: int
  receptive_field: int
  whole_frame_only: bool = False
  input_kind: str = "srgb"
  value_range: tuple[float, float] = (0.0, 1.0)
  scale: int = 1
