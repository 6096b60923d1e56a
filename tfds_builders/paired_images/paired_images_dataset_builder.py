"""Builds `paired_images`: dark images and their bright counterparts, matched by name.

  tfds build tfds_builders/paired_images --config=folders --manual_dir=DIR

The trees expected and what an example holds: README.md beside this file.
"""

from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from tfds_builders.base import builder, generate, readers, schema
from tfds_builders.base.scan import Scan
from tfds_builders.paired_images import layout


class Builder(builder.ClipBuilder):
  """Pairs of images; a clip of one frame each."""

  VERSION = tfds.core.Version("2.0.0")
  RELEASE_NOTES: ClassVar = {
    "1.0.0": "First release.",
    "2.0.0": "Part of train is the split validation, where the files name none.",
  }
  MANUAL_DOWNLOAD_INSTRUCTIONS = "".join(layout.TREES.values())
  BUILDER_CONFIGS: ClassVar = [
    tfds.core.BuilderConfig(name="folders", description="Any two folders (default)."),
    tfds.core.BuilderConfig(name="lol_v1", description="LOL, Wei et al., BMVC 2018."),
    tfds.core.BuilderConfig(name="lol_v2_real", description="LOL v2, real captures."),
    tfds.core.BuilderConfig(name="lol_v2_synthetic", description="LOL v2, synthetic."),
  ]

  def features(self) -> tfds.features.FeaturesDict:
    """8-bit R'G'B' on both sides."""
    return schema.features(schema.images(), schema.images())

  def tree(self) -> str:
    """The tree that this configuration expects."""
    return layout.tree(self.builder_config.name)

  def scan(self, root: Path) -> Scan:
    """Pairs by name."""
    return layout.scan(root, self.builder_config.name)

  def reader(self) -> generate.Read:
    """Decodes both images and stores them as PNG."""
    return readers.read_image_files
