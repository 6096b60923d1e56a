"""Writes one of the embedded clips, made dark, as a video file: something to try the tool on.

python -m tfds_builders.dark_clips.sample dark.mp4
"""

from collections.abc import Sequence

from llve_jax import at_once

if __name__ == "__main__":
  at_once.say("making")  # what follows takes seconds to load

from absl import flags

from llve_jax.errors import UserError, run_main
from llve_jax.io.embedded_clips import CLIPS, write_dark

_CLIP = flags.DEFINE_enum("clip", "carphone", list(CLIPS), "Which one.")
_FRAMES = flags.DEFINE_integer("frames", 120, "How many frames, from the first.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of exposure and noise.", lower_bound=0)


def main(argv: Sequence[str]) -> None:
  """Reads the command line."""
  if len(argv) != 2:
    raise UserError(f"expected one path, the file to write; found {len(argv) - 1}")
  write_dark(argv[1], _CLIP.value, frames=_FRAMES.value, seed=_SEED.value)
  print(f"wrote {argv[1]}: the first frames of {_CLIP.value}, made dark")


if __name__ == "__main__":
  run_main(main)
