"""Writes a network in a format that runs without this package.

  python -m llve_jax.export --model=night /tmp/saved_model
  python -m llve_jax.export --model=/tmp/run /tmp/program --format=stablehlo
  python -m llve_jax.export --model=night /tmp/phone --format=litert --size=640x360
  python -m llve_jax.export --model=night /tmp/onnx --format=onnx
  python -m llve_jax.export --model=night /tmp/player --format=onnx --layout=nchw --size=1280x720
  python -m llve_jax.export --model=night /srv/night --versions --warm_up=1280x720
  python -m llve_jax.export --model=night /tmp/all --format=saved_model,litert,onnx --size=640x360

--precision=float16 halves a LiteRT file; --precision=int8 --calibrate=VIDEO is for networks that do
not stream. OUT is a folder, replaced only if it is an older export; of several formats each gets a
folder in it. What is written has been run in a fresh process and equals the network to 1e-5 or
three times its own rounding (with fewer bits: by PSNR); otherwise nothing is written.
"""

import os
import sys
from collections.abc import Sequence

from llve_jax import at_once

if __name__ == "__main__":
  at_once.say("reading the network", "model")  # what follows takes seconds to load

import jax
from absl import flags

from llve_jax.errors import UserError, run_main
from llve_jax.export import command
from llve_jax.export.formats import FORMATS
from llve_jax.export.options import PRECISIONS
from llve_jax.stopping import on_termination

_MODEL = flags.DEFINE_string(
  "model", None, "A shipped network by its name, a weights file, or the folder of a training run."
)
_FORMAT = flags.DEFINE_string(
  "format", "saved_model", f"Of {', '.join(sorted(FORMATS))}: one, or several with commas between."
)
_SIZE = flags.DEFINE_string(
  "size", None, "WIDTHxHEIGHT of the frames: needed for litert; onnx without it takes any size."
)
_FRAMES = flags.DEFINE_integer(
  "frames", None, "Length of the clips, for formats of fixed size; without: what the network needs."
)
_PRECISION = flags.DEFINE_string(
  "precision", "float32", f"Of litert, one of: {', '.join(PRECISIONS)}."
)
_CALIBRATE = flags.DEFINE_string(
  "calibrate", None, "A dark video: int8 is calibrated by it, and any export compared on it."
)


_LAYOUT = flags.DEFINE_string(
  "layout", "clip", "Of onnx: clip, or nchw: one input and output of planes, as players take them."
)
_WARM_UP = flags.DEFINE_string(
  "warm_up", None, "WIDTHxHEIGHT of the requests by which a server of a saved_model starts."
)
_VERSIONS = flags.DEFINE_bool(
  "versions", False, "OUT is a folder of versions, as servers watch it; this becomes the next one."
)


def main(argv: Sequence[str]) -> None:
  """Reads the command line."""
  if len(argv) != 2:
    found = f"{len(argv) - 1}: {' '.join(argv[1:])}" if argv[1:] else "none"
    raise UserError(f"expected one path, OUT; found {found}")
  # An export needs no accelerator: leave it alone, also TensorFlow.
  jax.config.update("jax_platforms", "cpu")
  os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
  on_termination()
  try:
    said = command.run(
      argv[1],
      model=_MODEL.value,
      format=_FORMAT.value,
      size=_SIZE.value,
      frames=_FRAMES.value,
      precision=_PRECISION.value,
      calibrate=_CALIBRATE.value,
      layout=_LAYOUT.value,
      warm_up=_WARM_UP.value,
      versions=_VERSIONS.value,
    )
  except KeyboardInterrupt:
    print(f"stopped: {argv[1]} was not written", file=sys.stderr)
    sys.exit(130)
  print(said)


if __name__ == "__main__":
  run_main(main)
