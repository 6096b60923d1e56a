"""Brightens dark pictures and videos.

  python -m llve_jax.enhance dark.mp4                                # dark_bright.mp4 beside it
  python -m llve_jax.enhance dark.mp4 bright.mp4                     # the network that ships
  python -m llve_jax.enhance dark.mp4 bright.mp4 --model=/tmp/run    # one that was trained
  python -m llve_jax.enhance dark.jpg bright.jpg --model=auto_gain   # a method without learning
  python -m llve_jax.enhance dark.mp4 look.png --preview=5           # five moments, nothing else
  python -m llve_jax.enhance holiday/ *.mp4 bright/ --jobs=2         # many into a folder

Frame count, time stamps, rate and sound of a video are kept. Frames are streamed: memory does not
depend on the length. Frames larger than --tile are run in overlapping pieces.
"""

import logging
import signal
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags

from llve_jax import methods
from llve_jax.enhance import command, many
from llve_jax.enhance.looks import LOOKS
from llve_jax.errors import UserError, run_main
from llve_jax.io.video.plan import SOUND
from llve_jax.zoo.shipped import DEFAULT

_MODEL = flags.DEFINE_string("model", DEFAULT, methods.HELP)
_SIDE_BY_SIDE = flags.DEFINE_bool("side_by_side", False, "Put the original left of the result.")
_TILE = flags.DEFINE_integer(
  "tile", None, "Largest side in pixels that the network runs in one piece (default 1280)."
)
_BATCH = flags.DEFINE_integer("batch", None, "Frames per call (default: as many as fit a tile).")

_ROWS = flags.DEFINE_integer(
  "rows", 1, "Devices of this machine that share the rows of each frame; it is run whole then."
)
_DEPTH = flags.DEFINE_integer(
  "depth",
  None,
  "bits a channel of the result: 8 or 16 for pictures, 8 or 10 for video; without: as the input's",
)
_RATIO = flags.DEFINE_float(
  "ratio",
  None,
  "Amplification of a raw still's light, for networks that take it; without: found in the file.",
)
_STABILISE = flags.DEFINE_bool(
  "stabilise",
  None,
  "Smooth exposure and colour of the result over time; without: for networks of single frames.",
)
_STRENGTH = flags.DEFINE_float(
  "strength",
  None,
  "How much of the result: 0 is the input, 1 all; without: the less, the brighter the input is "
  "(classic methods: all).",
)
_LOOK = flags.DEFINE_enum(
  "look",
  None,
  LOOKS,
  "natural: what is bright stays (without: so for networks); bright: all the light there is; "
  "forensic: whatever may be seen.",
)
_SOUND = flags.DEFINE_enum(
  "sound", "copy", SOUND, "Sound of a video: copy where its container can hold it, else encode it."
)
_KEEP_INTERLACED = flags.DEFINE_bool(
  "keep_interlaced", False, "Leave interlaced video as it is instead of making it progressive."
)
_ON_ERROR = flags.DEFINE_enum(
  "on_error", "stop", ["stop", "skip"], "Damaged video: write nothing, or keep the good frames."
)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print what would be written, and do nothing.")
_PREVIEW = flags.DEFINE_integer(
  "preview", None, "Write a picture of so many moments of a video, before above after, and no more."
)
_REPORT = flags.DEFINE_string(
  "report", None, "A .json file for speed, flicker, brightness and clipped share before and after."
)
_QUIET = flags.DEFINE_bool("quiet", False, "Say nothing but errors.")
_JOBS = flags.DEFINE_integer("jobs", 1, "Of many files: how many at once, each in a process.")
_OVERWRITE = flags.DEFINE_bool(
  "overwrite", False, "Of many files: do those again whose results are there and newer."
)


def main(argv: Sequence[str]) -> None:
  """Reads the command line."""
  logging.getLogger("jax").setLevel(logging.WARNING)  # which accelerators it looked for in vain
  signal.signal(signal.SIGTERM, many.stop)
  asked = many.plan(argv[1:])
  options: dict[str, Any] = {
    "model": _MODEL.value,
    "side_by_side": _SIDE_BY_SIDE.value,
    "tile": _TILE.value,
    "batch": _BATCH.value,
    "rows": _ROWS.value,
    "depth": _DEPTH.value,
    "ratio": _RATIO.value,
    "stabilise": _STABILISE.value,
    "strength": _STRENGTH.value,
    "look": _LOOK.value,
    "sound": _SOUND.value,
    "keep_interlaced": _KEEP_INTERLACED.value,
    "on_error": _ON_ERROR.value,
    "dry_run": _DRY_RUN.value,
    "preview": _PREVIEW.value,
    "report": _REPORT.value,
    "quiet": _QUIET.value,
  }
  try:
    if isinstance(asked, many.Job):
      done: object = command.run(asked.source, asked.target, **options)
    else:
      done = _many(asked, options)
  except KeyboardInterrupt:
    what = asked.target if isinstance(asked, many.Job) else "what was not finished"
    print(f"stopped: {what} was not written", file=sys.stderr)
    sys.exit(130)
  if not _QUIET.value:
    print(done)
  if isinstance(done, many.Outcome) and done.failed:
    if _QUIET.value:
      print(done, file=sys.stderr)
    sys.exit(1)


def _many(jobs: list[many.Job], options: dict[str, Any]) -> many.Outcome:
  for name, asked in (
    ("dry_run", _DRY_RUN.value),
    ("preview", _PREVIEW.value is not None),
    ("report", _REPORT.value is not None),
  ):
    if asked:
      raise UserError(f"--{name}: is for one file, found several inputs; name one")
  further: dict[str, Any] = {"say": _nothing} if _QUIET.value else {}
  return many.run(jobs, options, at_once=_JOBS.value, overwrite=_OVERWRITE.value, **further)


def _nothing(text: str) -> None:
  del text


if __name__ == "__main__":
  run_main(main)
