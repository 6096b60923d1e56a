"""Builds `paired_video`: dark clips and their bright counterparts, matched by name.

  tfds build tfds_builders/paired_video --config=rgb8 --manual_dir=DIR

The trees expected and what an example holds: README.md beside this file.
"""

import dataclasses
import functools
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from llve_jax.errors import UserError
from tfds_builders.base import builder, generate, schema
from tfds_builders.base.scan import Scan
from tfds_builders.paired_video import layout, reading


@dataclasses.dataclass(kw_only=True)
class PairedVideoConfig(tfds.core.BuilderConfig):
  """One way in which clips may lie.

  Attributes:
    source: whose tree is expected and how many bits are read, one of `layout.CONFIGS`.
    segment: frames per example.
  """

  source: str = "rgb8"
  segment: int = 8


class Builder(builder.ClipBuilder):
  """Pairs of clips, each a video or a folder of images; decoded as they are read."""

  VERSION = tfds.core.Version("2.0.0")
  RELEASE_NOTES: ClassVar = {
    "1.0.0": "First release.",
    "2.0.0": "Part of train is the split validation, where the files name none.",
  }
  MANUAL_DOWNLOAD_INSTRUCTIONS = "".join(layout.TREES.values())
  BUILDER_CONFIGS: ClassVar = [
    PairedVideoConfig(
      name="rgb8", source="rgb8", description="Videos or folders of images (default)."
    ),
    PairedVideoConfig(
      name="rgb16", source="rgb16", description="Folders of images, 16 bits per channel."
    ),
    PairedVideoConfig(
      name="prepared", source="prepared", description="Output of llve_jax.prepare, 8 bits."
    ),
    PairedVideoConfig(
      name="prepared16", source="prepared16", description="Output of llve_jax.prepare, 16 bits."
    ),
  ]

  def features(self) -> tfds.features.FeaturesDict:
    """R'G'B' of 8 or 16 bits on both sides."""
    dtype = np.uint16 if layout.is_deep(self.builder_config.source) else np.uint8
    return schema.features(schema.images(3, dtype), schema.images(3, dtype))

  def tree(self) -> str:
    """The tree that this configuration expects."""
    return layout.tree(self.builder_config.source)

  def scan(self, root: Path) -> Scan:
    """Pairs by name."""
    return layout.scan(root, self.builder_config.source)

  def reader(self) -> generate.Read:
    """Decodes both sides in step.

    Raises:
      UserError: the configuration asks for segments without a frame.
    """
    config = self.builder_config
    if config.segment < 1:
      raise UserError(f"segment={config.segment}: expected at least 1 frame per example")
    return functools.partial(
      reading.read, segment=config.segment, deep=layout.is_deep(config.source)
    )
