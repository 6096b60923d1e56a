"""How many clips the training pipeline of a configuration delivers, and whether a TPU host starves.

  python -m experiments.benchmarks.feed --config=experiments/configs/unet3d.py
  ... --encodings=png,stored,plain,jpeg     # how frames are kept, see below
  ... --stored=256x256                      # a data set that was cut to small pictures before
  ... --config.data.dir=DIR                 # a prepared data set instead of synthetic examples
  ... --host=v5e-8 --plan=FILE              # what the chips take: `experiments.plan --json=FILE`
  ... --host=v5e-8 --clips_per_second=120   # the same by hand, of all chips of the host

Synthetic examples have the size of the data set that the configuration names (8-bit pairs; 16-bit
Bayer mosaics with 8-bit targets) and are read as TFDS stores them, nothing cached. Frames are kept
as `png`, as every data set here is; `stored`: PNG without compression; `plain`: PPM; `jpeg`:
quality 95, which loses a little, of 8-bit frames only.

Printed are medians. `ms per clip` is processor time in one thread, by part: reading the record,
decoding, then all else (cut, floating point, augmentation, batch). `clips/s` is wall time with each
number of threads. `scaling` is clips per second of the last number of threads over the first: with
other programs beside, it says more about them. The host is scaled from processor time, one clip in
one core; two vCPU are one core. The bar: a host feeds twice what its chips take.
"""

import contextlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from absl import flags, logging
from ml_collections import ConfigDict

from experiments.benchmarks import feeding
from experiments.run.batches import settings_of
from experiments.run.flags import check as check_flags
from experiments.run.flags import define as define_config
from llve_jax import models
from llve_jax.data.allocation import keep_freed_memory
from llve_jax.data.source import Source, open_split
from llve_jax.errors import UserError, run_main

CONFIG = define_config("Configuration, FILE[:VARIANT,...].")
STORED = flags.DEFINE_string(
  "stored", "", "Synthetic frames, HEIGHTxWIDTH; else as the data set's."
)
ENCODINGS = flags.DEFINE_list("encodings", "png", "Of: png, stored, plain, jpeg.")
THREADS = flags.DEFINE_list("threads", "1,2", "Numbers of threads.")
PROCESSES = flags.DEFINE_integer("processes", 0, "Further processes.", lower_bound=0)
CLIPS = flags.DEFINE_integer("clips", 8, "Clips in a timed run.", lower_bound=1)
REPEATS = flags.DEFINE_integer("repeats", 3, "Timed runs.", lower_bound=1)
HOST = flags.DEFINE_enum("host", "v5e-8", list(feeding.HOSTS), "Which host to scale to.")
PLAN = flags.DEFINE_string("plan", None, "File of `experiments.plan --json`.")
WANTED = flags.DEFINE_float("clips_per_second", None, "What the chips of one host take.")


def main(argv: Sequence[str]) -> None:
  """Times each encoding and prints the table."""
  if argv[1:]:
    raise UserError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
  if CONFIG.value is None:
    raise UserError("--config=FILE[:VARIANT,...] is needed")
  if PLAN.value and WANTED.value:
    raise UserError("--plan and --clips_per_second say the same thing; name one")
  if not all(number.isdigit() for number in THREADS.value):
    raise UserError(f"--threads={','.join(THREADS.value)}: expected numbers, such as 1,2")
  chips, vcpu = feeding.HOSTS[HOST.value]
  wanted = feeding.planned(Path(PLAN.value), chips) if PLAN.value else WANTED.value
  keep_freed_memory()  # as `experiments.train`
  logging.set_verbosity(logging.ERROR)
  tfds.disable_progress_bar()
  config: ConfigDict = CONFIG.value
  if config.step.name == "unpaired_gan":
    raise UserError("unpaired training reads two sides by themselves; time one of pairs")
  traits: Any = models.build(config.model.name, **config.model.kwargs.to_dict()).traits
  settings = settings_of(config, traits.input_kind)
  threads = [int(number) for number in THREADS.value]
  size = feeding.stored_size(STORED.value, config.data.name)
  head = "  ".join(f"{number} threads" for number in threads)
  print(
    f"{config.name}: {settings['frames']} frame(s), crop {settings['crop']}, "
    f"augment {settings['augment']}, of {config.data.name}; {PROCESSES.value} further processes; "
    f"host {HOST.value} with {chips} chips and {vcpu} vCPU"
    + (f"; they take {wanted:.1f} clips/s" if wanted else "")
  )
  print(
    f"{'kept as':<8} {'frames':>10} {'ms per clip: read':>18} {'decode':>8} {'rest':>7} "
    f"{'clips/s/core':>13}  {head}  scaling  the host feeds",
    flush=True,
  )

  def show(how: str, size: str, source: Source) -> None:
    speed = feeding.measure(
      source,
      settings,
      threads=threads,
      processes=PROCESSES.value,
      clips=CLIPS.value,
      repeats=REPEATS.value,
    )
    rates = list(speed.clips.values())
    shown = "  ".join(f"{rate:9.2f}" for rate in rates)
    print(
      f"{how:<8} {size:>10} {speed.read:>18.1f} {speed.decode:>8.1f} {speed.rest:>7.1f} "
      f"{speed.per_core:>13.2f}  {shown}  {rates[-1] / rates[0]:>7.2f}  "
      f"{feeding.verdict(speed, wanted, vcpu)}",
      flush=True,
    )

  if config.data.dir:
    source = open_split(
      config.data.name,
      config.data.train,
      config=config.data.config or None,
      data_dir=config.data.dir,
    )
    show("as it is", "", source)
    return
  for how in ENCODINGS.value:
    with tempfile.TemporaryDirectory() as folder:
      with contextlib.redirect_stdout(sys.stderr):  # TFDS says what it prepares.
        source = feeding.synthetic(
          size,
          max(8, settings["frames"]) if settings["frames"] > 1 else 1,
          mosaics=traits.input_kind in ("bayer", "raw_rgb", "mosaic"),
          still=settings["apart"],
          how=how,
          folder=Path(folder),
        )
      show(how, f"{size[1]}x{size[0]}", source)


if __name__ == "__main__":
  run_main(main, check_flags)
