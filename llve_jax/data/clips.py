"""Whole clips for evaluation, joined from the segments of a data set."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from llve_jax.data.dark import dark_kind, held_out, is_bright
from llve_jax.data.frames import Frames, as_float, decode_window, resized
from llve_jax.data.light import (
  chosen_kind,
  demosaic,
  exposed_light,
  of_kind,
  seen,
  wanted_layout,
)
from llve_jax.data.source import Source
from llve_jax.errors import UserError
from llve_jax.ops.frames import to_8_bit
from llve_jax.ops.mosaic import cell_size, pack, phase_offset
from llve_jax.shapes import Frames8


@dataclasses.dataclass(frozen=True)
class EvalClip:
  """One clip under one degradation.

  Attributes:
    name: the source clip.
    variant: which degradation of it, from 0.
    fps: frames per second; 0 where nobody noted it.
    low: the dark clip as a person would see it, of the size of `high`. Raw light is exposed by its
      ratio for that, see `data.light.seen`.
    high: the bright clip, same length; a single bright frame stands for all.
    light: float32 [t, h, w, c], what a network takes; None where that is `low` in [0, 1].
    kind: of that input, such as "srgb" or "bayer", see `data.light`.
  """

  name: str
  variant: int
  fps: float
  low: Frames8
  high: Frames8
  light: Float[np.ndarray, "t h w c"] | None = None
  kind: str = "srgb"

  def part(self, kept: slice | np.ndarray) -> "EvalClip":
    """The same clip with these frames only."""
    light = None if self.light is None else self.light[kept]
    return dataclasses.replace(self, low=self.low[kept], high=self.high[kept], light=light)


def test_clips(
  source: Source,
  kind: str | None = None,  # noqa: PT028  (the name says test, but it is none)
  *,
  keep_negatives: bool = True,  # noqa: PT028
  resize: Sequence[int] = (),  # noqa: PT028
  targets: bool = True,  # noqa: PT028
) -> Iterator[EvalClip]:
  """Yields every clip and variant of a split from first to last frame, one at a time in memory.

  Clips come in the order of their names, variants in ascending order, whatever the order of the
  examples. Targets have the size of what a network of that kind gives; of mosaics, rows and columns
  that fill no whole cell of the layout are left out on all sides.

  Of a split that is bright only, each example is a clip of its own, named CLIP@START, and is made
  dark, see `data.dark.held_out`.

  Args:
    source: the split.
    kind: of input, see `data.light`; None is as the data are stored.
    keep_negatives: of mosaics, as in training, see `ops.raw_light.normalize`.
    resize: (height, width) that pairs of RGB are brought to, as in training; empty: as they are.
    targets: without, dark frames that have none are clips, too; as a person would see them they
      stand for their own targets.

  Raises:
    UserError: segments of a clip are missing or overlap, have no dark or no bright frames, or
      cannot give this kind of input.
  """
  for (name, variant), parts in _ordered(source).items():
    first = source[parts[0][1]]
    if is_bright(first):
      dark_kind(first, kind)
      yield EvalClip(name, variant, float(first["fps"]), *held_out(first, name))
      continue
    given = chosen_kind(first, kind)
    joined = [
      _segment(example, given, keep_negatives, resize, targets)
      for example in _examples(source, name, variant, parts)
    ]
    lights = [part.light for part in joined if part.light is not None]
    yield dataclasses.replace(
      joined[0],
      low=np.concatenate([part.low for part in joined]),
      high=np.concatenate([part.high for part in joined]),
      light=np.concatenate(lights) if lights else None,
    )


@dataclasses.dataclass(frozen=True)
class DarkClip:
  """The dark side of one clip, to be read frame by frame.

  Attributes:
    name: the source clip.
    variant: which degradation of it, from 0.
    fps: frames per second; 0 where nobody noted it.
    frames: reads them: light [h, w, c] of the kind that was asked for, or as a person would see
      them, uint8.
  """

  name: str
  variant: int
  fps: float
  frames: Callable[[], Iterator[np.ndarray]]


def dark_clips(source: Source, kind: str) -> Iterator[DarkClip]:
  """Every clip and variant of a split in the order of `test_clips`; targets are not looked at.

  Args:
    source: the split.
    kind: of frames. "srgb": as a person would see them, whatever the data hold.

  Raises:
    UserError: as `test_clips`; some of it when frames are read.
  """
  for (name, variant), parts in _ordered(source).items():
    first = source[parts[0][1]]
    stored = chosen_kind(first, None if kind == "srgb" else kind)
    read = functools.partial(_dark_frames, source, name, variant, parts, stored, kind == "srgb")
    yield DarkClip(name, variant, float(first["fps"]), read)


def _dark_frames(
  source: Source,
  name: str,
  variant: int,
  parts: Sequence[tuple[int, int]],
  kind: str,
  as_seen: bool,
) -> Iterator[np.ndarray]:
  for example in _examples(source, name, variant, parts):
    part = _segment(example | {"high": []}, kind, True, (), targets=False)
    yield from part.low if as_seen or part.light is None else part.light


def _ordered(source: Source) -> dict[tuple[str, int], list[tuple[int, int]]]:
  """(first frame, number of the example) of the segments of each clip and variant, in order."""
  segments: dict[tuple[str, int], list[tuple[int, int]]] = {}
  for index in range(len(source)):
    example = source[index]
    name, start = example["clip"].decode(), example["start"]
    if is_bright(example):
      name, start = f"{name}@{start}", 0
    segments.setdefault((name, example["variant"]), []).append((start, index))
  return {key: sorted(parts) for key, parts in sorted(segments.items())}


def _examples(
  source: Source, name: str, variant: int, parts: Sequence[tuple[int, int]]
) -> Iterator[dict[str, Any]]:
  """The segments of a clip, none of which may be missing."""
  end = 0
  for start, index in parts:
    if start != end:
      raise UserError(
        f"{name}, variant {variant}: expected a segment that starts at frame {end}, found one at "
        f"{start}; the data set is damaged, build it again"
      )
    example = source[index]
    yield example
    end += len(example["low"])


def check_scorable(source: Source, kind: str | None) -> None:
  """Refuses, by its first example, a split that clips cannot be scored on.

  Raises:
    UserError: it is empty, has no bright frames, or cannot give that kind of input.
  """
  if len(source) == 0:
    raise UserError(f"{source}: expected clips to score, found none")
  first = source[0]
  if is_bright(first):
    dark_kind(first, kind)
    return
  chosen_kind(first, kind)
  if len(first["high"]) == 0:
    raise UserError(
      f"{first['clip'].decode()} has no bright frames to compare with; name a data set of pairs to "
      "score on (--config.test_data.name=NAME)"
    )


def _segment(
  example: dict[str, Any], kind: str, keep_negatives: bool, resize: Sequence[int], targets: bool
) -> EvalClip:
  """All frames of one example."""
  name, variant, fps = example["clip"].decode(), example["variant"], float(example["fps"])
  alone = not targets and len(example["high"]) == 0
  given = example | {"high": example["low"]} if alone else example
  low, high = decode_window(given, range(len(example["low"])))
  try:
    if "cfa" in example:
      high = np.repeat(high, 3, axis=-1) if alone else high
      clip = EvalClip(name, variant, fps, *_raw(example, low, high, kind, keep_negatives), kind)
      return dataclasses.replace(clip, high=clip.low) if alone else clip
  except UserError as error:
    raise UserError(f"{name}: {error}") from None
  low, high = (resized(frames, resize) for frames in (low, high))
  high = high if high.dtype == np.uint8 else to_8_bit(as_float(high))
  if low.dtype == np.uint8:
    return EvalClip(name, variant, fps, low, high)
  light = as_float(low)
  shown = seen(light) if kind == "raw_rgb" else to_8_bit(light)
  return EvalClip(name, variant, fps, shown, shown if alone else high, light, kind)


def _raw(
  example: dict[str, Any], low: Frames, high: Frames, kind: str, keep_negatives: bool
) -> tuple[Frames8, Frames8, Float[np.ndarray, "t h w c"]]:
  """What a person sees of mosaics, their targets, and what a network takes."""
  if low.shape[:3] != high.shape[:3]:
    raise UserError(f"the mosaics are {low.shape[1:3]}, the bright frames {high.shape[1:3]}")
  cfa, black = example["cfa"].decode(), tuple(np.asarray(example["black"]).tolist())
  plane = exposed_light(
    low[..., 0], cfa, black, float(example["white"]), np.asarray(example["ratio"]), keep_negatives
  )
  wanted = wanted_layout(cfa)
  top, left = phase_offset(cfa, wanted)
  height, width = (
    (length - first) // cell_size(cfa) * cell_size(cfa)
    for length, first in zip(plane.shape[1:], (top, left), strict=True)
  )
  inside = (slice(None), slice(top, top + height), slice(left, left + width))
  packed = pack(plane[inside], wanted)
  light, target = of_kind(packed, as_float(high[inside]), wanted, kind)
  shown = light if kind == "raw_rgb" else demosaic(plane[inside], wanted)
  return seen(shown), to_8_bit(target), light
