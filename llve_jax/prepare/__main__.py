"""Turns a shoot into registered pairs of dark and bright pictures.

  python -m llve_jax.prepare --shoot=DIR --out=DIR                   # a turntable: pan and stills
  python -m llve_jax.prepare --shoot=DIR --out=DIR --beam_splitter   # two videos at once
  python -m llve_jax.prepare --shoot=DIR --out=DIR --static          # raw burst and long exposure

Look at OUT/contact_sheet.html afterwards; OUT/manifest.jsonl says what became of every file. Run it
again to go on after a stop: scenes that are complete are not done twice.
"""

import sys
from collections.abc import Sequence
from typing import Any

from llve_jax import at_once

if __name__ == "__main__":
  at_once.say("reading", "shoot")  # what follows takes seconds to load

from absl import app, flags

from llve_jax.errors import UserError, run_main
from llve_jax.prepare import command
from llve_jax.prepare.crop import GRIDS
from llve_jax.prepare.settings import DENOISERS, MATCHES, ON_ERROR, Settings
from llve_jax.stopping import on_termination

_SHOOT = flags.DEFINE_string("shoot", None, "Folder of the scenes, or one scene.")
_OUT = flags.DEFINE_string("out", None, "Folder to write.")
_BEAM_SPLITTER = flags.DEFINE_bool(
  "beam_splitter", False, "Scenes are two synchronised videos, low*/dark* and high*/bright*."
)
_STATIC = flags.DEFINE_bool(
  "static", False, "Scenes are raw frames: a dark burst in short/, a long exposure in long/."
)
_PROCESSES = flags.DEFINE_integer("processes", None, "Scenes done at once (default: the cores).")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Do everything again.")
_DEFAULTS = Settings()
_VALUES = (
  flags.DEFINE_float(
    "min_mean", _DEFAULTS.min_mean, "Reject a clip of a lower mean grey (0..255)."
  ),
  flags.DEFINE_float(
    "min_sharpness",
    _DEFAULTS.min_sharpness,
    "Reject a still whose sharpness is below this part of the scene's median.",
  ),
  flags.DEFINE_enum(
    "match",
    _DEFAULTS.match,
    MATCHES,
    "path: stills keep their order along the pan; argmax: each still by itself.",
  ),
  flags.DEFINE_integer(
    "min_step", _DEFAULTS.min_step, "Frames from one still to the next, at least (path only)."
  ),
  flags.DEFINE_float(
    "min_correlation", _DEFAULTS.min_correlation, "Reject a still that fits no frame better."
  ),
  flags.DEFINE_integer("match_height", _DEFAULTS.match_height, "Rows of what is matched."),
  flags.DEFINE_float("match_blur", _DEFAULTS.match_blur, "Blur of it, standard deviation in px."),
  flags.DEFINE_integer(
    "register_height", _DEFAULTS.register_height, "Largest number of rows of what is registered."
  ),
  flags.DEFINE_float("register_blur", _DEFAULTS.register_blur, "Blur of it, in px."),
  flags.DEFINE_float(
    "max_shift", _DEFAULTS.max_shift, "Reject a pair that is shifted by more of the width."
  ),
  flags.DEFINE_enum(
    "crops",
    _DEFAULTS.crops,
    list(GRIDS),
    "cover: all of the frame; released: the report's 3x2; none: the whole frame in one.",
  ),
  flags.DEFINE_integer("size", _DEFAULTS.size, "Side of a crop in px."),
  flags.DEFINE_integer(
    "max_offset", _DEFAULTS.max_offset, "Most frames between the two cameras (beam splitter)."
  ),
  flags.DEFINE_enum("denoise", _DEFAULTS.denoise, DENOISERS, "Over time (static)."),
  flags.DEFINE_float(
    "ratio", _DEFAULTS.ratio, "Exposure ratio long / short; 0: from the files (static)."
  ),
  flags.DEFINE_enum(
    "on_error", _DEFAULTS.on_error, ON_ERROR, "A file that cannot be used: stop, or list it."
  ),
)


def main(argv: Sequence[str]) -> None:
  """Reads the command line."""
  if len(argv) > 1:
    raise app.UsageError(f"expected flags only, found {' '.join(argv[1:])}")
  if not _SHOOT.value or not _OUT.value:
    raise UserError("give both --shoot=DIR (what was filmed) and --out=DIR (what to write)")
  if _BEAM_SPLITTER.value and _STATIC.value:
    raise UserError("give one of --beam_splitter and --static")
  mode = "beam_splitter" if _BEAM_SPLITTER.value else "static" if _STATIC.value else "turntable"
  values: dict[str, Any] = {flag.name: flag.value for flag in _VALUES}
  on_termination()
  try:
    prepared = command.run(
      _SHOOT.value,
      _OUT.value,
      Settings(mode=mode, **values),
      processes=_PROCESSES.value,
      overwrite=_OVERWRITE.value,
    )
  except KeyboardInterrupt:
    print("stopped; run the same command again to go on", file=sys.stderr)
    sys.exit(130)
  print(prepared)


if __name__ == "__main__":
  run_main(main)
