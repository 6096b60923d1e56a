"""What turns dark frames into bright ones: the one interface of networks and classic methods.

Tools, tables, the evaluation of a run, exports and benchmarks know nothing else of a method.
"""

import abc
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8, UInt16

from llve_jax.errors import UserError

Frame = UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"] | Float[np.ndarray, "h w c"]
"""sRGB as uint8 or uint16, or float32 in [0, 1] with the channels of the method's kind of input."""


@dataclasses.dataclass
class Memory:
  """What is kept of a video from one of its parts to the next, so that they are as one stream.

  Attributes:
    kept: of each method that is part of another, under its name: what it remembers, and frames that
      it holds back; dicts, lists, numbers, texts and arrays, so that it can be written to a file.
    more: whether another part follows; looked at when the frames of a part have ended.
  """

  kept: dict[str, Any] = dataclasses.field(default_factory=dict)
  more: bool = True


class Method(abc.ABC):
  """A way to brighten video, ready to use; it keeps nothing between videos.

  Attributes:
    name: what tables and messages call it.
    takes: kind of frames, a key of `llve_jax.models.contract.CHANNELS`.
    flickers: whether it is a network that sees each frame by itself, so that its results may vary
      where the film does not; `methods.Steadied` helps.
  """

  name: str
  takes: str = "srgb"
  flickers: bool = False

  @abc.abstractmethod
  def stream(
    self, frames: Iterable[Frame], *, rounded: bool = True, memory: Memory | None = None
  ) -> Iterator[Frame]:
    """Yields the bright frames of one video in order, one for each dark one.

    Memory does not depend on the number of frames.

    Args:
      frames: from the first on, all of one size.
      rounded: whether the result is uint8, as a saved file would be, or float32 in [0, 1].
      memory: of a video that comes in parts: what the part before left, and where this one leaves
        what the next needs. Frames that are held back then come with the next part.

    Raises:
      UserError: the method cannot take such frames, or so few of them.
    """

  def __call__(self, frames: np.ndarray, *, rounded: bool = True) -> np.ndarray:
    """The bright frames [t, h', w', 3] of a whole clip [t, h, w, c], see `stream`."""
    if frames.ndim != 4:
      raise UserError(f"{self.name} takes clips [t, h, w, c], found {frames.shape}")
    return np.stack(list(self.stream(frames, rounded=rounded)))

  def about(self, height: int, width: int) -> str:
    """One line: how frames of that size are run.

    Raises:
      UserError: they cannot be.
    """
    del height, width
    return self.name
