"""A network on a whole clip, run as its traits allow: by frames, as a stream or in windows."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.models.contract import Traits
from llve_jax.ops import tiles
from llve_jax.ops.frames import clips_of
from llve_jax.shapes import Clip, Frames8

# Output pixels of one call that a network of one frame, and a window of frames, may have.
_PIXELS = 1280 * 1280
_WINDOW_PIXELS = 4_000_000


class PairedClip(Protocol):
  """What is known of a test clip: `llve_jax.data.clips.EvalClip` has it."""

  @property
  def name(self) -> str:
    """The source clip."""

  @property
  def variant(self) -> int:
    """Which of its dark versions."""

  @property
  def fps(self) -> float:
    """Frames per second; 0 where nobody noted it."""

  @property
  def low(self) -> Frames8:
    """The dark frames as a person would see them."""

  @property
  def high(self) -> Frames8:
    """The bright frames, as many and as large."""

  @property
  def light(self) -> Float[np.ndarray, "t h w c"] | None:
    """What a network takes; None where that is `low` in [0, 1]."""


# The result as large as the clip's target, 8-bit as well or float32 in [0, 1].
Method = Callable[[PairedClip], np.ndarray]


class Network(Protocol):
  """A network with its weights: `llve_jax.zoo.trained.Enhancer`, or `Compiled.bind`."""

  @property
  def traits(self) -> Traits:
    """How it may be run."""

  def __call__(self, clip: Clip, /) -> Any:
    """The enhanced clip, or a mapping that has it as "clip"."""

  def stream(self, clip: Clip, carry: Any, /) -> tuple[Clip, Any]:
    """The enhanced clip and the carry for the frames that follow; of networks that stream."""


class Compiled:
  """A module compiled once for any weights."""

  def __init__(self, module: nn.Module):
    self.traits: Traits = module.traits

    def apply(variables: Any, clip: Array) -> Array:
      output: Any = module.apply(variables, clip)
      return output["clip"]

    def step(variables: Any, clip: Array, carry: Any) -> tuple[Array, Any]:
      output: Any = module.apply(variables, clip, carry=carry)
      return output["clip"], output["carry"]

    self.apply, self.step = jax.jit(apply), jax.jit(step)

  def bind(self, variables: Any) -> "Bound":
    """The network with these weights."""
    return Bound(self, variables)


@dataclasses.dataclass(frozen=True)
class Bound:
  """A compiled module and its weights."""

  compiled: Compiled
  variables: Any

  @property
  def traits(self) -> Traits:
    """How it may be run."""
    return self.compiled.traits

  def __call__(self, clip: Clip) -> Clip:
    """Enhances clips; the result is not clipped."""
    return self.compiled.apply(self.variables, clip)

  def stream(self, clip: Clip, carry: Any) -> tuple[Clip, Any]:
    """Enhances the next frames of a video."""
    return self.compiled.step(self.variables, clip, carry)


def per_frame(traits: Traits) -> bool:
  """Whether a network looks at one frame at a time."""
  return traits.frames == 1 and not traits.streaming


def network_method(network: Network, *, batch: int = 8, rounded: bool = True) -> Method:
  """Turns a network into a method.

  A network of single frames gets them in batches; one that streams gets the clip piece by piece,
  its memory starting anew with every clip; one that looks at several frames gets windows in time
  that overlap by what it sees, so that the result is that of the whole clip in one call. All calls
  for a clip have one shape, so that each size compiles once.

  Args:
    network: give it jitted; it is called as it is.
    batch: frames per call: of single frames, of a stream, and that a window adds to what the
      network sees. Less where frames are large; windows are longer where they are small.
    rounded: whether the result is 8-bit, as a saved file would be, or float32 in [0, 1], for
      protocols that take `floats`.

  Returns:
    A method that keeps nothing between clips. It raises a `UserError` for a clip that is too short
    or has another number of channels.
  """
  traits = network.traits
  run = _by_frames if per_frame(traits) else _by_stream if traits.streaming else _by_windows

  def method(clip: PairedClip) -> np.ndarray:
    _check(clip, traits)
    out: np.ndarray | None = None
    for start, frames in run(network, clip, batch):
      clipped = np.clip(np.asarray(frames, np.float32), 0.0, 1.0)
      part = rounded_frames(clipped) if rounded else clipped
      if out is None:
        out = np.empty((len(clip.low), *part.shape[1:]), part.dtype)
      out[start : start + len(part)] = part[: len(out) - start]
    assert out is not None  # a clip has a frame
    return out

  return method


def rounded_frames(frames: Float[np.ndarray, "t h w c"]) -> Frames8:
  """Floats to 8 bits: clipped to [0, 1] and rounded, as a saved file would be."""
  return np.rint(np.clip(frames, 0.0, 1.0) * np.float32(255.0)).astype(np.uint8)


def _by_frames(network: Network, clip: PairedClip, batch: int) -> Iterator[tuple[int, Array]]:
  count = _at_once(clip, batch)
  for start in range(0, len(clip.low), count):
    yield start, _clip_of(network(_piece(clip, start, count)))[:, 0]


def _by_stream(network: Network, clip: PairedClip, batch: int) -> Iterator[tuple[int, Array]]:
  count = _at_once(clip, batch)
  carry: Any = None
  for start in range(0, len(clip.low), count):
    # What fills up the last piece comes after all frames: a causal network does not see it.
    piece = jnp.swapaxes(_piece(clip, start, count), 0, 1)
    result, carry = network.stream(piece, carry)
    yield start, result[0]


def _by_windows(network: Network, clip: PairedClip, batch: int) -> Iterator[tuple[int, Array]]:
  total, traits = len(clip.low), network.traits
  halo = traits.frames // 2
  fitting = _WINDOW_PIXELS // _pixels(clip)
  largest = max(traits.least_frames, 2 * halo + max(batch, 2), fitting)
  windows = tiles.cover(total, largest, halo=halo, overlap=1)
  for start in windows.starts:
    piece = jnp.swapaxes(_piece(clip, start, windows.size), 0, 1)
    result = _clip_of(network(piece))[0]
    # What the window before it could not see past is replaced; its own end is, by the next.
    first = windows.halo if start else 0
    yield start + first, result[first:]


def _clip_of(result: Any) -> Array:
  return result["clip"] if isinstance(result, Mapping) else result


def _piece(clip: PairedClip, start: int, count: int) -> Float[Array, "n 1 h w c"]:
  """Frames from `start` on as a network takes them, filled up with copies of the last one."""
  frames = clip.low if clip.light is None else clip.light
  part = frames[start : start + count]
  part = np.pad(part, ((0, count - len(part)), (0, 0), (0, 0), (0, 0)), mode="edge")
  return clips_of(part) if clip.light is None else jnp.asarray(part)[:, None]


def _at_once(clip: PairedClip, batch: int) -> int:
  return max(1, min(batch, _PIXELS // _pixels(clip)))


def _pixels(clip: PairedClip) -> int:
  """Of one output frame."""
  return clip.high.shape[1] * clip.high.shape[2]


def _check(clip: PairedClip, traits: Traits) -> None:
  channels = (clip.low if clip.light is None else clip.light).shape[-1]
  if channels != traits.channels:
    raise UserError(
      f"clip {clip.name}: the network takes {traits.input_kind} frames of {traits.channels} "
      f"channel(s), found {channels}; read the data as {traits.input_kind}"
    )
  if len(clip.low) < traits.least_frames:
    raise UserError(
      f"clip {clip.name} has {len(clip.low)} frame(s), but the network needs "
      f"{traits.least_frames} at least; take longer clips"
    )
