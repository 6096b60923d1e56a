"""Builds `smid`: Seeing-Motion-in-the-Dark, raw video of still and of moving scenes.

  tfds build tfds_builders/smid --config=static --manual_dir=DIR

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
from tfds_builders.smid import layout, reading


@dataclasses.dataclass(kw_only=True)
class SmidConfig(tfds.core.BuilderConfig):
  """One way to prepare the clips.

  Attributes:
    layout: whose files are read, one of `layout.CONFIGS`.
    segment: frames per example; training windows lie inside a segment.
    ratio: factor on the light of raw clips that have no long exposure.
    denoise: average raw frames over time, in place of the authors' VBM4D.
    shot_noise: of the sensor, in full scales per photo-electron.
    read_noise: of the sensor, in full scales.
  """

  layout: str = "static"
  segment: int = 8
  ratio: float = 100.0
  denoise: bool = True
  shot_noise: float = 4e-4
  read_noise: float = 6e-4


class Builder(builder.ClipBuilder):
  """16-bit R'G'B' in a linear space with a 16-bit sRGB target, or 8-bit sRGB on both sides."""

  BEAM = True
  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES: ClassVar = {"1.0.0": "First release."}
  MANUAL_DOWNLOAD_INSTRUCTIONS = "".join(layout.TREES.values())
  BUILDER_CONFIGS: ClassVar = [
    SmidConfig(name=name, layout=name, description=text)
    for name, text in {
      "static": "Still scenes, the released inputs (default).",
      "dynamic": "Moving scenes, the released inputs; no target.",
      "static_raw": "Still scenes from raw files.",
      "dynamic_raw": "Moving scenes from raw files; no target.",
      "srgb_np": "Still scenes as 8-bit sRGB arrays, as later papers use them.",
    }.items()
  ]

  def features(self) -> tfds.features.FeaturesDict:
    """16 bits and the name of the denoiser, or 8 bits."""
    if self.builder_config.layout == "srgb_np":
      return schema.features(schema.images(), schema.images())
    rgb16 = schema.images(3, np.uint16)
    extra: dict[str, Any] = {"denoiser": tfds.features.Text()}
    if self.builder_config.layout.endswith("_raw"):
      extra["ratio"] = schema.RAW_FEATURES["ratio"]
    return schema.features(rgb16, rgb16, **extra)

  def tree(self) -> str:
    """The tree that this configuration expects."""
    return layout.tree(self.builder_config.layout)

  def scan(self, root: Path) -> Scan:
    """Frames and targets of every clip."""
    return layout.scan(root, self.builder_config.layout)

  def facts(self) -> dict[str, Any]:
    """How the inputs were denoised."""
    config = self.builder_config
    if not config.layout.endswith("_raw"):
      return {"denoiser": reading.NONE if config.layout == "srgb_np" else reading.RELEASED}
    if not config.denoise:
      return {"denoiser": reading.NONE}
    noise = {"shot_noise": config.shot_noise, "read_noise": config.read_noise}
    return {"denoiser": reading.RECURSIVE, **noise}

  def reader(self) -> generate.Read:
    """Reads released frames, raw files or arrays."""
    config = self.builder_config
    if config.layout == "srgb_np":
      return functools.partial(reading.read_arrays, segment=config.segment)
    if not config.layout.endswith("_raw"):
      return functools.partial(reading.read_rgb16, segment=config.segment)
    return functools.partial(
      reading.read_mosaics,
      segment=config.segment,
      ratio=config.ratio,
      denoise=config.denoise,
      shot_noise=config.shot_noise,
      read_noise=config.read_noise,
    )
