"""Writes one of the embedded clips, made dark, as a video file: something to try the tool on.

python -m tfds_builders.dark_clips.sample dark.mp4
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from llve_jax.errors import UserError, run_main
from llve_jax.io.video import write_video
from llve_jax.ops import degrade
from tfds_builders.dark_clips.footage import CLIPS, read_clip

_CLIP = flags.DEFINE_enum("clip", "carphone", list(CLIPS), "Which one.")
_FRAMES = flags.DEFINE_integer("frames", 120, "How many frames, from the first.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of exposure and noise.", lower_bound=0)


def write(path: Path, clip: str, *, frames: int, seed: int) -> None:
  """Writes the beginning of a clip as `degrade.draw` would have it filmed.

  Raises:
    UserError: the package that holds the clip is not installed, or the file cannot be written.
  """
  bright, rate = read_clip(clip, 288, frames)
  rng = np.random.default_rng(seed)
  dark = degrade.apply(bright, degrade.draw(rng), rng)
  # Nearly lossless: what is left of a dark scene is in the lowest bits.
  write_video(path, dark, rate, crf=6)


def main(argv: Sequence[str]) -> None:
  """Reads the command line."""
  if len(argv) != 2:
    raise UserError(f"expected one path, the file to write; found {len(argv) - 1}")
  write(Path(argv[1]), _CLIP.value, frames=_FRAMES.value, seed=_SEED.value)
  print(f"wrote {argv[1]}: the first frames of {_CLIP.value}, made dark")


if __name__ == "__main__":
  run_main(main)
