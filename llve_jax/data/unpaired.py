"""Couples of dark and bright clips of different scenes, for training without pairs.

Jiang et al., "EnlightenGAN: Deep Light Enhancement without Paired Supervision", IEEE TIP 2021.
"""

from typing import Any

import grain
import numpy as np

from llve_jax.data.augment import Pair, Size, draw_window, flip
from llve_jax.data.frames import (
  Frames,
  as_float,
  decode_frames,
  draw_frames,
  frame_size,
  window_id,
)
from llve_jax.data.source import Source
from llve_jax.errors import UserError


class Couples:
  """A source of {"dark": example, "bright": example}; "bright" is missing where it is drawn later.

  Attributes:
    fixed: dark i mod nA goes with bright i mod nB, always, over max(nA, nB) couples, as in the
      released code; its shuffling permutes couples only. Of a paired data set given twice those are
      the pairs. Otherwise there is one couple for each dark example and `UnpairedWindow` draws.
  """

  def __init__(self, dark: Source, bright: Source, *, fixed: bool):
    self.fixed = fixed
    self._dark, self._bright = dark, bright
    if len(bright) == 0:
      raise UserError(f"{bright}: expected bright examples to train towards, found none")

  def __len__(self) -> int:
    return max(len(self._dark), len(self._bright)) if self.fixed else len(self._dark)

  def __getitem__(self, index: int) -> dict[str, Any]:
    couple = {"dark": self._dark[index % len(self._dark)]}
    if self.fixed:
      couple["bright"] = self._bright[index % len(self._bright)]
    return couple


class UnpairedWindow(grain.transforms.RandomMap):
  """Cuts a window of frames and pixels from each side of a couple, independently of each other.

  A bright example that is still to be drawn is any of those of another clip than the dark one, so
  that both sides may come from one paired data set; where there is but one clip, any of that.

  Attributes:
    frames: consecutive frames of each side; a single bright frame is repeated.
    crop: side of a square, in pixels, or (height, width).
    flips: mirror each side by itself, left-right and upside down, each with probability 1/2.
  """

  def __init__(self, bright: Source, *, frames: int, crop: Size, flips: bool = True):
    self.frames = frames
    self.crop = crop
    self.flips = flips
    self._bright = bright
    self._clips: dict[int, bytes] = {}  # so that a clip's name is read once

  def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> Pair:
    """Returns float32 "low" and "high" [frames, height, width, 3] in [0, 1], and "id" of both.

    Raises:
      UserError: a side has no frames, or is shorter or smaller than the window.
    """
    dark = element["dark"]
    bright = element["bright"] if "bright" in element else self._draw(dark["clip"], rng)
    low, low_id = self._window(dark, "low", rng)
    high, high_id = self._window(bright, "high", rng)
    return {
      "low": as_float(low),
      "high": as_float(high),
      "id": np.str_(f"{low_id} | {high_id}"),
    }

  def _draw(self, clip: bytes, rng: np.random.Generator) -> dict[str, Any]:
    """An example of another clip, each as likely; of the same one where there is no other."""
    order = [int(index) for index in rng.permutation(len(self._bright))]
    for index in order:
      if index not in self._clips:
        self._clips[index] = self._bright[index]["clip"]
      if self._clips[index] != clip:
        return self._bright[index]
    return self._bright[order[0]]

  def _window(
    self, example: dict[str, Any], key: str, rng: np.random.Generator
  ) -> tuple[Frames, str]:
    clip = example["clip"].decode()
    if len(example[key]) == 0:
      what = {"low": "dark", "high": "bright"}[key]
      raise UserError(
        f"{clip} has no {what} frames; unpaired training takes dark frames of one split and bright "
        "ones of another, such as train_low and train_high of unpaired_images"
      )
    places = draw_frames(example, self.frames, rng, key=key)
    images = [example[key][place] for place in places]
    try:
      window = draw_window(frame_size(images[0]), self.crop, rng)
      frames = decode_frames(images, window)
    except UserError as error:
      raise UserError(f"{clip}: {error}") from None
    if frames.shape[-1] != 3:
      raise UserError(f"{clip}: expected RGB frames, found {frames.shape[-1]} channel(s)")
    if self.flips:
      (frames,) = flip(frames, rng=rng)
    return frames, window_id(example, places)
