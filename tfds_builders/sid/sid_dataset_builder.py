"""Builds `sid`: See-in-the-Dark, short and long raw exposures of still scenes.

  tfds build tfds_builders/sid --config=sony --manual_dir=DIR

The tree expected and what an example holds: README.md beside this file.
"""

import dataclasses
import functools
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from llve_jax.io.raw import Sensor
from tfds_builders.base import builder, generate, schema
from tfds_builders.base.scan import Clip, Scan
from tfds_builders.sid import layout, reading


@dataclasses.dataclass(kw_only=True)
class SidConfig(tfds.core.BuilderConfig):
  """One way to prepare the pairs.

  Attributes:
    layout: which shots are paired and grouped, one of `layout.CONFIGS`.
    patch: side of the patches of rendered training pairs, in pixels; None keeps whole pictures.
    stride: distance of neighbouring patches.
  """

  layout: str = "sony"
  patch: int | None = 100
  stride: int = 50


class Builder(builder.ClipBuilder):
  """Mosaics of 16 bits with a 16-bit sRGB target, or rendered patches of 8 bits."""

  BEAM = True
  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES: ClassVar = {"1.0.0": "First release."}
  MANUAL_DOWNLOAD_INSTRUCTIONS = layout.tree("sony") + layout.tree("fuji")
  BUILDER_CONFIGS: ClassVar = [
    SidConfig(name="sony", layout="sony", description="Sony, burst index 00 (default)."),
    SidConfig(name="fuji", layout="fuji", description="Fuji (X-Trans), burst index 00."),
    SidConfig(name="sony_bursts", layout="sony_bursts", description="Sony, whole bursts."),
    SidConfig(name="fuji_bursts", layout="fuji_bursts", description="Fuji, whole bursts."),
    SidConfig(name="sony_scenes", layout="sony_scenes", description="Sony, a scene an example."),
    SidConfig(name="fuji_scenes", layout="fuji_scenes", description="Fuji, a scene an example."),
    SidConfig(
      name="srgb_darkest",
      layout="srgb_darkest",
      description="Sony as sRGB at half size, darkest exposure of each scene, training in patches.",
    ),
  ]

  def features(self) -> tfds.features.FeaturesDict:
    """Mosaic and 16-bit target, or 8-bit R'G'B' on both sides."""
    if self._rendered():
      ratio = {"ratio": schema.RAW_FEATURES["ratio"]}
      return schema.features(schema.images(), schema.images(), misaligned=np.bool_, **ratio)
    return schema.features(
      schema.images(1, np.uint16),
      schema.images(3, np.uint16),
      misaligned=np.bool_,
      **schema.RAW_FEATURES,
    )

  def tree(self) -> str:
    """The tree that this configuration expects."""
    return layout.tree(self.builder_config.layout)

  def scan(self, root: Path) -> Scan:
    """Pairs by the list files, else by name."""
    scan = layout.scan(root, self.builder_config.layout)
    if self._rendered():
      # Scored pictures stay whole.
      scan.clips = {
        split: [Clip(c.name, c.low, c.high, {**c.facts, "whole": split != "train"}) for c in clips]
        for split, clips in scan.clips.items()
      }
    return scan

  def reader(self) -> generate.Read:
    """Decodes the raw files."""
    config = self.builder_config
    if self._rendered():
      return functools.partial(reading.read_rendered, patch=config.patch, stride=config.stride)
    sensor: Sensor = "bayer" if config.layout.startswith("sony") else "xtrans"
    return functools.partial(reading.read_mosaics, sensor=sensor)

  def _rendered(self) -> bool:
    return bool(self.builder_config.layout == "srgb_darkest")
