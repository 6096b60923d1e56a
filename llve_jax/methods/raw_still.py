"""One raw file through a network for raw light: black level, amplification, packing, which way up.

Such networks expect the light of a short exposure, multiplied by how many times longer a well lit
one would have been (Chen et al., "Learning to See in the Dark", CVPR 2018). A single file does not
say that; it is chosen so that the picture becomes as light as `classic.auto_gain` makes it, but not
lighter than ten seconds of exposure, their longest, would have.
"""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from jaxtyping import Float

from llve_jax.errors import UserError
from llve_jax.io.picture_tags import upright
from llve_jax.io.raw import RawFrame
from llve_jax.methods.method import Frame, Memory, Method
from llve_jax.methods.network import Network
from llve_jax.ops.mosaic import XTRANS, pack, phase_offset
from llve_jax.ops.raw_light import bin_rgb, expose, exposure_ratio, normalize

_LEVEL = 0.9  # where the 99th percentile of green goes
_LARGEST = 300.0
_LONGEST = 10.0  # seconds
_SIDE = 512  # of the small picture that is measured: noise is averaged away
# Letters of the cell of the sensors that each kind of input comes from.
_CELLS = {"bayer": (4,), "mosaic": (4,), "raw_rgb": (4, 36), "xtrans": (36,)}
_NAMES = {4: "a Bayer mosaic", 36: "an X-Trans mosaic"}


def light_of(raw: RawFrame, takes: str, ratio: float) -> Float[np.ndarray, "h w c"]:
  """What a network is fed: light after black level, times `ratio`, cut off at white.

  The mosaic is cut to whole cells, at the phase that the network was trained on. "raw_rgb" gets one
  pixel a cell: half the sensor's size, of X-Trans a third.

  Args:
    raw: of the file.
    takes: the network's kind of input: "bayer", "xtrans", "mosaic" or "raw_rgb".
    ratio: amplification.

  Raises:
    UserError: the sensor is of another kind than the network takes.
  """
  mosaic, cfa = _whole_cells(raw, takes)
  light = expose(mosaic, ratio)
  if takes == "mosaic":
    return light[..., None]
  packed = pack(light, cfa)
  return _rgb(packed) if takes == "raw_rgb" else packed


def find_ratio(raw: RawFrame) -> float:
  """The amplification that a file asks for, from 1 to 300."""
  mosaic, cfa = _whole_cells(raw, "raw_rgb")
  green = _rgb(pack(mosaic, cfa))[..., 1]
  scale = min(1.0, _SIDE / max(green.shape))
  size = tuple(max(1, round(side * scale)) for side in green.shape[::-1])
  small = cv2.resize(green, size, interpolation=cv2.INTER_AREA)
  light = float(np.percentile(small, 99))
  wanted = _LEVEL / max(light, _LEVEL / _LARGEST)
  if raw.exposure_time:
    wanted = min(wanted, exposure_ratio(_LONGEST, raw.exposure_time, _LARGEST))
  return max(wanted, 1.0)


class RawStill(Method):
  """Takes the light of raw stills, each a video of its own, and turns the results upright."""

  def __init__(self, method: Method, raw: RawFrame, ratio: float):
    """Wraps a method that takes raw light.

    Args:
      method: of the kind "raw_rgb", "mosaic", "bayer" or "xtrans".
      raw: of the file; says how it was held.
      ratio: told in `about`.
    """
    if method.takes not in _CELLS:
      raise ValueError(f"{method.name} takes {method.takes} frames, which are no raw light")
    self.name, self.takes = method.name, method.takes
    self._method, self._raw, self._ratio = method, raw, ratio
    # A network that needs several frames sees a video that rests.
    self._count = method.traits.least_frames if isinstance(method, Network) else 1

  def stream(
    self, frames: Iterable[Frame], *, rounded: bool = True, memory: Memory | None = None
  ) -> Iterator[Frame]:
    """As `Method`; frames are those of `light_of`, and none is remembered."""
    del memory
    for frame in frames:
      results = list(self._method.stream([frame] * self._count, rounded=rounded))
      yield upright(results[len(results) // 2], self._raw.orientation)

  def about(self, height: int, width: int) -> str:
    """As `Method`."""
    inner = self._method.about(height, width)
    return f"{inner}; raw light ({self.takes}) amplified {self._ratio:.3g} times"


def _whole_cells(raw: RawFrame, takes: str) -> tuple[np.ndarray, str]:
  """Light of the part that can be packed, and its layout."""
  if len(raw.cfa) not in _CELLS[takes]:
    raise UserError(
      f"{raw.path}: this network takes {takes} light, found {_NAMES[len(raw.cfa)]}; take a network "
      "for it, or --model=auto_gain, which brightens the developed picture"
    )
  wanted = XTRANS if len(raw.cfa) == 36 else "RGGB" if takes == "mosaic" else raw.cfa
  top, left = phase_offset(raw.cfa, wanted)
  cell = 2 if len(raw.cfa) == 4 else 6
  light = normalize(raw.mosaic, raw.cfa, raw.black, raw.white)[top:, left:]
  height, width = (side // cell * cell for side in light.shape)
  if not height or not width:
    raise UserError(
      f"{raw.path}: expected at least one cell of {cell}x{cell} pixels, found "
      f"{raw.mosaic.shape[1]}x{raw.mosaic.shape[0]}"
    )
  return light[:height, :width], wanted


def _rgb(packed: np.ndarray) -> Float[np.ndarray, "h w 3"]:
  if packed.shape[-1] == 4:
    return bin_rgb(packed)
  red, blue = packed[..., [0, 3]], packed[..., [2, 4]]
  return np.stack([x.mean(axis=-1) for x in (red, packed[..., [1, 5, 6, 7, 8]], blue)], axis=-1)
