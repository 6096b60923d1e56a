"""Builds `bright_media`: clips of bright photographs and films, to be darkened when they are read.

  tfds build tfds_builders/bright_media --manual_dir=DIR

What an example holds and how photographs become clips: README.md beside this file.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from tfds_builders.base import builder, generate, schema
from tfds_builders.base.scan import Scan
from tfds_builders.bright_media import layout, reading


@dataclasses.dataclass(kw_only=True)
class BrightMediaConfig(tfds.core.BuilderConfig):
  """How files become clips.

  Attributes:
    frames: of each clip.
    side: longer side of the frames, in pixels.
    takes: clips of each photograph.
    segments: clips of each film, at most.
    validation: share of the files that is held out.
    seed: of the virtual camera.
  """

  frames: int = 16
  side: int = 384
  takes: int = 6
  segments: int = 24
  validation: float = 0.1
  seed: int = 0


class Builder(builder.ClipBuilder):
  """Bright clips; there is no dark side."""

  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES: ClassVar = {"1.0.0": "First release."}
  MANUAL_DOWNLOAD_INSTRUCTIONS = layout.TREES["clips"]
  BUILDER_CONFIGS: ClassVar = [
    BrightMediaConfig(name="clips", description="16 frames, longer side 384 pixels (default)."),
    BrightMediaConfig(
      name="small",
      frames=12,
      side=256,
      takes=3,
      segments=8,
      description="12 frames, longer side 256 pixels, fewer clips of each file.",
    ),
  ]

  def features(self) -> tfds.features.FeaturesDict:
    """Nothing on the dark side, 8-bit R'G'B' on the bright one."""
    return schema.features(schema.images(), schema.images())

  def tree(self) -> str:
    """The tree expected below the manual folder."""
    return layout.tree(self.builder_config.name)

  def scan(self, root: Path) -> Scan:
    """Finds photographs and films."""
    config = self.builder_config
    return layout.scan(root, config.name, takes=config.takes, validation=config.validation)

  def reader(self) -> generate.Read:
    """Films photographs, cuts films."""
    config = self.builder_config
    return functools.partial(
      reading.read,
      frames=config.frames,
      side=config.side,
      segments=config.segments,
      seed=config.seed,
    )

  def facts(self) -> dict[str, Any]:
    """The configuration."""
    return {key: getattr(self.builder_config, key) for key in BrightMediaConfig.__annotations__}
