"""Builds `turntable_pairs`: registered crops of dark video and long-exposure stills.

  python -m llve_jax.prepare --shoot=SHOOT --out=DIR
  tfds build tfds_builders/turntable_pairs --config=scenes --manual_dir=DIR

The tree expected and what an example holds: README.md beside this file.
"""

from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from tfds_builders.base import builder, generate, schema
from tfds_builders.base.scan import Scan
from tfds_builders.turntable_pairs import layout, reading


class Builder(builder.ClipBuilder):
  """Crops with a mask; a clip of one frame each."""

  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES: ClassVar = {"1.0.0": "First release."}
  MANUAL_DOWNLOAD_INSTRUCTIONS = layout.TREES["scenes"]
  BUILDER_CONFIGS: ClassVar = [
    tfds.core.BuilderConfig(name="scenes", description="Split by scene (default)."),
    tfds.core.BuilderConfig(
      name="released", description="Split by crop, which leaks: only to repeat old numbers."
    ),
  ]

  def features(self) -> tfds.features.FeaturesDict:
    """8-bit R'G'B' on both sides, a mask, and how the pair was matched."""
    return schema.features(
      schema.images(),
      schema.images(),
      mask=schema.images(1),
      correlation=np.float32,
      shift=tfds.features.Tensor(shape=(2,), dtype=np.float32),
      frame=np.int32,
      box=tfds.features.Tensor(shape=(4,), dtype=np.int32),
    )

  def tree(self) -> str:
    """The tree that this configuration expects."""
    return layout.tree(self.builder_config.name)

  def scan(self, root: Path) -> Scan:
    """Takes the crops that the manifest names."""
    return layout.scan(root, self.builder_config.name)

  def reader(self) -> generate.Read:
    """Reads a crop and its mask."""
    return reading.read
