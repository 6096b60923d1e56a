"""What `python -m llve_jax.export` does."""

import contextlib
import os
from pathlib import Path

from llve_jax.errors import UserError
from llve_jax.export.formats import (
  Written,
  check_destination,
  export,
  export_several,
  known_format,
)
from llve_jax.export.options import Options, check_choices, only_for, parse_size
from llve_jax.export.parity import Trial
from llve_jax.export.versions import next_version
from llve_jax.methods.classic import CLASSIC
from llve_jax.zoo import shipped, trained
from llve_jax.zoo.trained import Trained


def run(
  out: str,
  *,
  model: str | os.PathLike[str] | None,
  format: str = "saved_model",
  size: str | None = None,
  frames: int | None = None,
  precision: str = "float32",
  calibrate: str | None = None,
  layout: str = "clip",
  warm_up: str | None = None,
  versions: bool = False,
) -> str:
  """Exports a network and says what was written.

  Args:
    out: where to.
    model: a shipped network by its name, a weights file, or the folder of a training run.
    format: key of `FORMATS`, or several with commas between: each in a folder of `out`, with those
      of the options that it knows.
    size: WIDTHxHEIGHT, for formats of fixed size.
    frames: as `Options`.
    precision: as `Options`.
    calibrate: a video, `Options.video`.
    layout: as `Options`.
    warm_up: WIDTHxHEIGHT, `Options.warm_up`.
    versions: whether `out` is a folder of versions, of which this becomes the next.

  Raises:
    UserError: bad input, or an export that differs from the network.
  """
  # What costs nothing to check comes first: an export takes a minute.
  names = list(dict.fromkeys(format.split(",")))
  options = Options(
    parse_size(size), frames, precision, calibrate, layout, parse_size(warm_up, "warm_up")
  )
  options_of = {name: only_for(options, name, names) for name in names}
  for name in names:
    known_format(name)
    check_choices(options_of[name], name)
  if not model:
    raise UserError(
      "no network given; pass --model=NAME|FILE|DIR: a shipped network, a weights file, or the "
      "folder of a training run"
    )
  if os.fspath(model) in CLASSIC:
    raise UserError(f"{model} is a method without learning; only networks can be exported")
  if versions and len(names) > 1:
    raise UserError(f"--versions is of one format; found --format={format}")
  shipped_as = str(model) if shipped.is_name(model) else None
  with next_version(out) if versions else contextlib.nullcontext(Path(out)) as path:
    check_destination(path)
    network = trained.load(model)
    if len(names) == 1:
      written = {path: export(network, path, format, options, shipped=shipped_as)}
    else:
      several = export_several(network, path, options_of, shipped=shipped_as)
      written = {path / name: each for name, each in several.items()}
  return "\n\n".join(
    _said(network, shipped_as or network.name, place, name, options_of[name], each)
    for name, (place, each) in zip(names, written.items(), strict=True)
  )


def _said(
  network: Trained, called: str, place: Path, format: str, options: Options, written: Written
) -> str:
  """What was written, how exact it is, and how it is used."""
  found = written.parity
  length = sum(file.stat().st_size for file in place.resolve().rglob("*") if file.is_file())
  low, high = network.traits.value_range if options.layout == "clip" else (0, 1)
  first, given = written.signatures[0].replace(":", "").split()[:2]
  what = f"{called} as {format}, {options.precision}, {length / 2**20:.1f} MiB"
  return "\n".join(
    [
      f"wrote {place}: {what}",
      *(f"signature {line}" for line in written.signatures),
      f"values of float32 inputs are {network.traits.input_kind} in [{low:g}, {high:g}]",
      f"difference to the network (allowed: {found.criterion}), measured in a fresh process "
      "without this package:",
      *(
        f"  {trial.name}: largest {trial.largest:.1e}, mean {trial.mean:.1e}, "
        f"PSNR {trial.psnr:.1f} dB{'' if found.counts(trial) else _undecided(trial)}"
        for trial in found.trials
      ),
      *(
        f"{milliseconds:.1f} ms a frame here with {threads} thread(s)"
        for threads, milliseconds in found.milliseconds.items()
      ),
      "to use it:",
      known_format(format).snippet.format(
        path=str(place), channels=network.traits.channels, signature=first, given=given
      ),
    ]
  )


def _undecided(trial: Trial) -> str:
  return f"; not counted, rounding alone moves the network by {trial.rounding:.1e} there"
