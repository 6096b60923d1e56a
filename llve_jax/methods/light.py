"""A network for raw light on ordinary video: the camera's processing is undone as far as can be.

Networks for raw light expect it brightened by the ratio of two exposures, which a finished video
does not tell. So its light is brightened as `classic.auto_gain` does, and a mosaic is what is left
of the colours behind its filters. That is not what a sensor saw: results are worse than on raw
files.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from llve_jax.errors import UserError
from llve_jax.methods.classic import auto_gain, codes_of
from llve_jax.methods.method import Frame, Memory, Method
from llve_jax.models.contract import PACKING
from llve_jax.ops.color import srgb_to_linear
from llve_jax.ops.degrade_raw import to_mosaic
from llve_jax.ops.frames import to_unit
from llve_jax.ops.mosaic import XTRANS, cell_size, pack

# Layout of the mosaic that each kind of input is packed from; "" is no mosaic.
_LAYOUTS = {"raw_rgb": "", "mosaic": "RGGB", "bayer": "RGGB", "xtrans": XTRANS}


class Undeveloped(Method):
  """Takes sRGB frames and gives the light of them to a method that takes raw light."""

  def __init__(self, method: Method):
    """Wraps `method`, whose kind of input is "raw_rgb", "mosaic", "bayer" or "xtrans"."""
    if method.takes not in _LAYOUTS:
      raise ValueError(f"{method.name} takes {method.takes} frames, which are no raw light")
    self.name, self.flickers, self._method = method.name, method.flickers, method
    self._layout = _LAYOUTS[method.takes]
    self._cell = cell_size(self._layout) if self._layout else 1

  def stream(
    self, frames: Iterable[Frame], *, rounded: bool = True, memory: Memory | None = None
  ) -> Iterator[Frame]:
    """As `Method`; the result is as large as the frames.

    Raises:
      UserError: the network gives another size.
    """
    exposure = auto_gain()
    size = (0, 0)
    if memory and "light" in memory.kept:
      exposure.past, *side = memory.kept["light"]
      size = (side[0], side[1])

    def lights() -> Iterator[Frame]:
      nonlocal size
      for frame in frames:
        size = frame.shape[:2]
        gain = exposure.next_gain(codes_of(frame))
        light = np.minimum(srgb_to_linear(to_unit(frame)) * np.float32(gain), np.float32(1.0))
        yield self._of_kind(light)

    for bright in self._method.stream(lights(), rounded=rounded, memory=memory):
      height, width = size
      if bright.shape[0] < height or bright.shape[1] < width:
        raise UserError(
          f"{self.name} makes {bright.shape[1]}x{bright.shape[0]} pixels of a {width}x{height} "
          "frame; expected as many, so it cannot be used on video files"
        )
      yield bright[:height, :width]
    if memory:
      memory.kept["light"] = [exposure.past, *size]

  def about(self, height: int, width: int) -> str:
    """As `Method`."""
    padded = (side + -side % self._cell for side in (height, width))
    block = PACKING.get(self._method.takes, 1)
    inner = self._method.about(*(side // block for side in padded))
    return f"{inner}; it takes raw light ({self._method.takes}), which is guessed from the video"

  def _of_kind(self, light: Frame) -> Frame:
    """Linear RGB as the network takes it; filled up to whole cells by mirroring."""
    if not self._layout:
      return light
    pads = [(0, -side % self._cell) for side in light.shape[:2]]
    light = np.pad(light, [*pads, (0, 0)], mode="symmetric")
    mosaic = to_mosaic(light, self._layout)
    return mosaic[..., None] if self._method.takes == "mosaic" else pack(mosaic, self._layout)
