"""What a network costs on a phone: LiteRT files of three sizes, milliseconds a frame, PSNR.

  python -m experiments.benchmarks.phone --model=night
  python -m experiments.benchmarks.phone --network=unpool_unet       # System D, not trained
  python -m experiments.benchmarks.phone --model=FILE --precisions=int8 --video=dark.mp4

Each file is exported as `python -m llve_jax.export` does it, so that it has been run in a fresh
process and compared; one that differs too much is said to be refused. Times are those of this
machine's cores with XNNPACK, by one and by two threads: they rank sizes and precisions, and are no
times of a phone. PSNR is against the network itself, on the first trial: the video, or else a drawn
scene.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from absl import flags

from llve_jax import models
from llve_jax.errors import UserError, run_main
from llve_jax.export import formats
from llve_jax.export.options import Options, parse_size
from llve_jax.zoo import trained
from llve_jax.zoo.trained import Trained


def untrained(name: str) -> Trained:
  """A network of default width with the weights that training starts from."""
  module = models.build(name)
  traits = module.traits
  side = max(traits.stride, traits.least_side)
  clip = np.zeros((1, traits.least_frames, side, side, traits.channels), np.float32)
  return Trained(name, {}, module, jax.jit(module.init)(jax.random.key(0), clip), {})


def row(network: Trained, size: str, precision: str, video: str | None) -> str:
  """One line of the table."""
  options = Options(parse_size(size), None, precision, video)
  with tempfile.TemporaryDirectory() as folder:
    out = Path(folder, "export")
    try:
      found = formats.export(network, out, "litert", options).parity
    except UserError as error:
      return f"{size:>9}  {precision:<9} refused: {error}"
    mebibytes = (out / "model.tflite").stat().st_size / 2**20
  one, two = (found.milliseconds[threads] for threads in ("1", "2"))
  first = found.trials[0]
  return (
    f"{size:>9}  {precision:<9} {one:8.1f} ms {two:8.1f} ms {mebibytes:7.2f} MiB "
    f"{first.psnr:7.1f} dB  {first.name.split(',')[1].split()[0]}"
  )


def define_flags() -> None:
  """The command's flags."""
  flags.DEFINE_string("model", None, "A shipped network, a weights file, or a run.")
  flags.DEFINE_string("network", None, "A key of MODELS instead, with random weights.")
  flags.DEFINE_list("sizes", ["352x288", "640x360", "1280x720"], "WIDTHxHEIGHT each.")
  flags.DEFINE_list("precisions", ["float32", "float16"], "Of LiteRT; int8 by --video.")
  flags.DEFINE_string("video", None, "A dark video: compared on, and int8 calibrated by it.")


def main(argv: Sequence[str]) -> None:
  """Prints a table."""
  values = flags.FLAGS
  if len(argv) > 1 or (values.model is None) == (values.network is None):
    raise UserError("expected either --model or --network, and nothing but flags")
  jax.config.update("jax_platforms", "cpu")
  network = untrained(values.network) if values.network else trained.load(str(values.model))
  print(f"{values.model or values.network} in LiteRT")
  print(
    f"{'size':>9}  {'precision':<9} {'1 thread':>11} {'2 threads':>11} {'file':>11} {'PSNR':>10}"
  )
  for size in values.sizes:
    for precision in values.precisions:
      print(row(network, size, precision, values.video), flush=True)


if __name__ == "__main__":
  define_flags()
  run_main(main)
