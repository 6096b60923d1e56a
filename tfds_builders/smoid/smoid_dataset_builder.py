"""Builds `smoid`: raw street video in the dark and its bright twin, filmed through a beam splitter.

  tfds build tfds_builders/smoid --config=natural --manual_dir=DIR

The tree expected and what an example holds: README.md beside this file.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from tfds_builders.base import builder, generate, schema
from tfds_builders.base.scan import Scan
from tfds_builders.smoid import layout, reading


@dataclasses.dataclass(kw_only=True)
class SmoidConfig(tfds.core.BuilderConfig):
  """One way to prepare the clips.

  Attributes:
    source: whose folders are read, one of `layout.CONFIGS`.
    equalize: equalise both clips while building.
    segment: frames per example; training windows lie inside a segment.
  """

  source: str = "natural"
  equalize: bool = False
  segment: int = 40


class Builder(builder.ClipBuilder):
  """Packed 16-bit mosaics unpacked to one plane, put upright; bright frames of 8 bits."""

  BEAM = True
  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES: ClassVar = {"1.0.0": "First release."}
  MANUAL_DOWNLOAD_INSTRUCTIONS = "".join(layout.TREES.values())
  BUILDER_CONFIGS: ClassVar = [
    SmoidConfig(name="natural", description="As filmed (default); `ratio` is a gain for the clip."),
    SmoidConfig(
      name="he2he", source="he2he", equalize=True, description="Both clips equalised by us."
    ),
    SmoidConfig(
      name="he2he_files", source="he2he_files", description="Clips equalised by somebody else."
    ),
    SmoidConfig(
      name="customized", source="customized", description="Clips of a list of one's own."
    ),
  ]

  def features(self) -> tfds.features.FeaturesDict:
    """One plane of 16 bits; 8-bit R'G'B'."""
    return schema.features(schema.images(1, np.uint16), schema.images(), **schema.RAW_FEATURES)

  def tree(self) -> str:
    """The tree that this configuration expects."""
    return layout.tree(self.builder_config.source)

  def scan(self, root: Path) -> Scan:
    """Pairs the beams by name."""
    return layout.scan(root, self.builder_config.source)

  def facts(self) -> dict[str, Any]:
    """How the clips were made."""
    return {
      "equalized": self.builder_config.source.startswith("he2he"),
      "stored_cfa": reading.STORED_CFA,
    }

  def reader(self) -> generate.Read:
    """Reads arrays of whole clips, frame by frame."""
    config = self.builder_config
    return functools.partial(reading.read, segment=config.segment, equalize=config.equalize)
