"""Builds `sdsd`: dark and bright video of moving and of static scenes, filmed one after the other.

  tfds build tfds_builders/sdsd --config=indoor --manual_dir=DIR

The tree expected and what an example holds: README.md beside this file.
"""

import dataclasses
import functools
from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from tfds_builders.base import builder, generate, readers, schema
from tfds_builders.base.scan import Scan
from tfds_builders.sdsd import layout, reading


@dataclasses.dataclass(kw_only=True)
class SdsdConfig(tfds.core.BuilderConfig):
  """One of the four sets.

  Attributes:
    source: whose folders are read, one of `layout.CONFIGS`.
    segment: frames per example.
  """

  source: str = "indoor"
  segment: int = 8


class Builder(builder.ClipBuilder):
  """Arrays of one frame each, stored as PNG, red first."""

  VERSION = tfds.core.Version("2.0.0")
  RELEASE_NOTES: ClassVar = {
    "1.0.0": "First release.",
    "2.0.0": "Part of train is the split validation, where the files name none.",
  }
  MANUAL_DOWNLOAD_INSTRUCTIONS = "".join(map(layout.tree, layout.CONFIGS))
  BUILDER_CONFIGS: ClassVar = [
    SdsdConfig(name="indoor", source="indoor", description="Moving camera, indoors (default)."),
    SdsdConfig(name="outdoor", source="outdoor", description="Moving camera, outdoors."),
    SdsdConfig(
      name="indoor_static", source="indoor_static", description="Camera at rest, indoors."
    ),
    SdsdConfig(
      name="outdoor_static", source="outdoor_static", description="Camera at rest, outdoors."
    ),
  ]

  def features(self) -> tfds.features.FeaturesDict:
    """8-bit R'G'B' on both sides."""
    return schema.features(schema.images(), schema.images())

  def tree(self) -> str:
    """The tree that this configuration expects."""
    return layout.tree(self.builder_config.source)

  def scan(self, root: Path) -> Scan:
    """Pairs clips and their frames by name."""
    return layout.scan(root, self.builder_config.source)

  def reader(self) -> generate.Read:
    """Reads a segment of a clip at a time."""
    return functools.partial(
      readers.read_image_files,
      segment=self.builder_config.segment,
      low=reading.read_frame,
      high=reading.read_frame,
    )
