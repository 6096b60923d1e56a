"""Builds `unpaired_images`: dark images, and normally lit images of other scenes.

  tfds build tfds_builders/unpaired_images --manual_dir=DIR

The tree expected and what an example holds: README.md beside this file.
"""

from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from tfds_builders.base import builder, generate, schema
from tfds_builders.base.scan import Scan
from tfds_builders.unpaired_images import layout, reading


class Builder(builder.ClipBuilder):
  """Single images, dark and bright in splits of their own."""

  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES: ClassVar = {"1.0.0": "First release."}
  MANUAL_DOWNLOAD_INSTRUCTIONS = "".join(layout.TREES.values())
  BUILDER_CONFIGS: ClassVar = [
    tfds.core.BuilderConfig(name="folders", description="trainA, trainB, testA, testB (default)."),
  ]

  def features(self) -> tfds.features.FeaturesDict:
    """8-bit R'G'B' on one side, nothing on the other."""
    return schema.features(schema.images(), schema.images())

  def tree(self) -> str:
    """The tree that this configuration expects."""
    return layout.tree(self.builder_config.name)

  def scan(self, root: Path) -> Scan:
    """Finds the images of every split."""
    return layout.scan(root, self.builder_config.name)

  def reader(self) -> generate.Read:
    """Decodes an image and stores it as PNG."""
    return reading.read
