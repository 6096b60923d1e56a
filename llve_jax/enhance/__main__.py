"""Brightens dark pictures and videos.

  python -m llve_jax.enhance dark.mp4                                # dark_bright.mp4 beside it
  python -m llve_jax.enhance dark.mp4 bright.mp4                     # the network that ships
  python -m llve_jax.enhance dark.mp4 bright.mp4 --model=/tmp/run    # one that was trained
  python -m llve_jax.enhance dark.jpg bright.jpg --model=auto_gain   # a method without learning
  python -m llve_jax.enhance dark.mp4 look.png --preview=5           # five moments, nothing else
  python -m llve_jax.enhance /dev/video0 -                           # a camera, in the browser
  python -m llve_jax.enhance burst/ bright.mp4 --rate=10             # raw stills as a film
  python -m llve_jax.enhance holiday/ *.mp4 bright/ --jobs=2         # many into a folder
  python -m llve_jax.enhance --builder=smid/dynamic_raw bright/      # what `tfds build` made

Frame count, time stamps, rate and sound of a video are kept. Frames are streamed: memory does not
depend on the length. Frames larger than --tile are run in overlapping pieces.
"""

import logging
import sys
from collections.abc import Sequence
from typing import Any

from llve_jax import at_once

if __name__ == "__main__":
  at_once.say("reading", "builder")  # what follows takes seconds to load

from absl import flags

from llve_jax import methods
from llve_jax.enhance import command, many
from llve_jax.enhance.kept_parts import folder_of
from llve_jax.enhance.looks import LOOKS
from llve_jax.errors import UserError, run_main
from llve_jax.io.video.live import is_live
from llve_jax.io.video.plan import SOUND
from llve_jax.stopping import on_termination
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
_RATE = flags.DEFINE_float("rate", 25.0, "Frames per second of a film of single files.")
_CFA = flags.DEFINE_string("cfa", "RGGB", "Colours of mosaics in a .npy file, 2x2 or 6x6.")
_BLACK = flags.DEFINE_float("black", 0.0, "Number that is black in a .npy file.")
_WHITE = flags.DEFINE_float("white", 65535.0, "Number of a full pixel in a .npy file.")
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
_PART = flags.DEFINE_integer(
  "part",
  None,
  "Frames of a part of a long video: a run that was killed goes on behind the last one when the "
  "same command is typed again (default: 48 to 960 by their size; 0: in one go).",
)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print what would be written, and do nothing.")
_PREVIEW = flags.DEFINE_integer(
  "preview", None, "Write a picture of so many moments of a video, before above after, and no more."
)
_REPORT = flags.DEFINE_string(
  "report", None, "A .json file for speed, flicker, brightness and clipped share before and after."
)
_SHOW = flags.DEFINE_bool(
  "show", False, "Show before and after in a browser on this machine as it is computed; no file."
)
_PORT = flags.DEFINE_integer("port", 0, "Of --show, at 127.0.0.1 (default: one that is free).")
_QUIET = flags.DEFINE_bool("quiet", False, "Say nothing but errors.")
_JOBS = flags.DEFINE_integer("jobs", 1, "Of many files: how many at once, each in a process.")
_BEAM = flags.DEFINE_bool("beam", False, "Have Apache Beam deal many files out, to many machines.")
_BEAM_OPTIONS = flags.DEFINE_string(
  "beam_options",
  "runner=DirectRunner",
  "Of --beam: names and values, such as runner=DataflowRunner,project=NAME,region=NAME.",
)
_BUILDER = flags.DEFINE_string(
  "builder", None, "NAME or NAME/CONFIG of a built data set, whose clips go into OUT, a folder."
)
_SPLIT = flags.DEFINE_string("split", "test", "Of --builder: which.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Of --builder: where TFDS keeps data sets.")
_OVERWRITE = flags.DEFINE_bool(
  "overwrite", False, "Of many files: do those again whose results are there and newer."
)


def main(argv: Sequence[str]) -> None:
  """Reads the command line."""
  logging.getLogger("jax").setLevel(logging.WARNING)  # which accelerators it looked for in vain
  on_termination()
  is_shown = _SHOW.value or argv[2:] == ["-"] or any(map(is_live, argv[1:]))
  asked: str | many.Job | list[many.Job] = []
  builder = _BUILDER.value
  if builder is None:
    asked = _shown(argv[1:]) if is_shown else many.plan(argv[1:])
  options: dict[str, Any] = {
    "model": _MODEL.value,
    "side_by_side": _SIDE_BY_SIDE.value,
    "tile": _TILE.value,
    "batch": _BATCH.value,
    "rows": _ROWS.value,
    "depth": _DEPTH.value,
    "ratio": _RATIO.value,
    "rate": _RATE.value,
    "cfa": _CFA.value,
    "black": _BLACK.value,
    "white": _WHITE.value,
    "stabilise": _STABILISE.value,
    "strength": _STRENGTH.value,
    "look": _LOOK.value,
    "sound": _SOUND.value,
    "keep_interlaced": _KEEP_INTERLACED.value,
    "on_error": _ON_ERROR.value,
    "part": _PART.value,
    "dry_run": _DRY_RUN.value,
    "preview": _PREVIEW.value,
    "report": _REPORT.value,
    "quiet": _QUIET.value,
  }
  try:
    if builder is not None:
      done: object = _of_split(builder, argv[1:], options)
    elif isinstance(asked, str):
      done = command.show(asked, _PORT.value, **options)
    elif isinstance(asked, many.Job):
      if _BEAM.value:
        raise UserError("--beam: deals several files out, found one; give a folder of results")
      done = command.run(asked.source, asked.target, **options)
    else:
      done = _many(asked, options)
  except KeyboardInterrupt:
    what = asked.target if isinstance(asked, many.Job) else "what was not finished"
    again = ""
    if isinstance(asked, many.Job) and folder_of(asked.target).exists():
      again = "; the same command goes on where it was (parts are in a hidden folder beside it)"
    print(f"stopped: {what} was not written{again}", file=sys.stderr)
    sys.exit(130)
  if not _QUIET.value:
    print(done)
  if isinstance(done, many.Outcome) and done.failed:
    if _QUIET.value:
      print(done, file=sys.stderr)
    sys.exit(1)


def _of_split(builder: str, paths: Sequence[str], options: dict[str, Any]) -> many.Outcome:
  """The clips of a data set into a folder."""
  if len(paths) != 1:
    raise UserError(
      f"--builder={builder}: expected one folder for the results, found {' '.join(paths) or 'none'}"
    )
  # Imported here: TFDS takes seconds, and files do not need it.
  from llve_jax.enhance.options import Options
  from llve_jax.enhance.splits import enhance_split

  asked = Options(**options)
  return enhance_split(
    builder,
    _SPLIT.value,
    _DATA_DIR.value,
    paths[0],
    asked,
    overwrite=_OVERWRITE.value,
    say=asked.say,
  )


def _shown(paths: Sequence[str]) -> str:
  """What is to be shown; IN, or IN and a dash."""
  if len(paths) not in (1, 2) or paths[1:] not in ([], ["-"]):
    raise UserError(
      "a camera, a stream and --show take IN or IN - (what is shown is not written; record the "
      f"stream first), found {' '.join(paths) or 'no path'}"
    )
  return paths[0]


def _many(jobs: list[many.Job], options: dict[str, Any]) -> many.Outcome:
  for name, asked in (
    ("dry_run", _DRY_RUN.value),
    ("preview", _PREVIEW.value is not None),
    ("report", _REPORT.value is not None),
  ):
    if asked:
      raise UserError(f"--{name}: is for one file, found several inputs; name one")
  further: dict[str, Any] = {"say": _nothing} if _QUIET.value else {}
  return many.run(
    jobs,
    options,
    at_once=_JOBS.value,
    overwrite=_OVERWRITE.value,
    beam=_BEAM_OPTIONS.value if _BEAM.value else None,
    **further,
  )


def _nothing(text: str) -> None:
  del text


if __name__ == "__main__":
  run_main(main)
