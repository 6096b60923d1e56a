"""What a run would need and cost on TPUs, without one: compiles its real steps ahead of time.

  python -m experiments.plan --config=FILE[:VARIANT,...] --topology=v5e:2x4,v5e:16x16
  python -m experiments.plan --config=... --scaling=v5e  # 8 to 256 chips, the same load on each
  python -m experiments.plan --config=... --enhance=1280x720  # frames per second of one chip

Needs `pip install 'llve_jax[tpu]'` and an x86 Linux machine; no TPU, no data set. See docs/PLAN.md
for what is measured, what is the compiler's word and what is assumed.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llve_jax import at_once

if __name__ == "__main__":
  at_once.say("reading", "config", "model")  # what follows takes seconds to load

from absl import flags
from ml_collections import ConfigDict

from experiments.run.flags import check as check_flags
from experiments.run.flags import define as define_config
from experiments.run.on_slices import Enhancing, Training
from llve_jax.errors import UserError, run_main
from llve_jax.io.atomic import replacing
from llve_jax.io.platform import without_tpu
from llve_jax.plan import estimate, report, topology
from llve_jax.plan.chips import GIB

DEFAULT = ("v5e:2x4", "v5e:16x16")


def plan_training(
  config: ConfigDict,
  slices: Sequence[topology.Topology],
  *,
  batch: int | None = None,
  per_chip: int | None = None,
) -> list[dict[str, Any]]:
  """Prints a table for each kind of step; returns the figures.

  Args:
    config: the run.
    slices: to compile for.
    batch: clips of a step, over all chips; None: as configured.
    per_chip: the same for each chip.

  Raises:
    UserError: a slice cannot share the batch.
  """
  training = Training(config)
  asked = [training.compile(each, training.batch(each, batch, per_chip)) for each in slices]
  for phase, name in enumerate(training.kinds):
    print(f"\n{name}")
    print(report.table([columns[phase] for columns in asked if phase < len(columns)], "clips"))
  return [_whole(training, each, columns) for each, columns in zip(slices, asked, strict=True)]


def _whole(
  training: Training, slice_: topology.Topology, columns: list[report.Column]
) -> dict[str, Any]:
  """Prints what the whole run costs on a slice, where it does not fit with the batch that does."""
  found: dict[str, Any] = {
    "topology": str(slice_),
    "batch": columns[0].items,
    "steps": _named(training, columns),
  }
  if not columns[-1].program.fits:
    columns = training.largest_fitting(slice_, columns)
    found["largest_fitting"] = _named(training, columns)
    advice = "not even one clip does; split frames over chips with --config.mesh.rows=2 or more"
    if columns:
      advice = f"{columns[0].items:g} does"
    print(f"\n{slice_}: a batch of {found['batch']} does not fit; {advice}")
    for name, column in zip(training.kinds, columns, strict=False):
      print(f"\n{name}, with the batch that fits\n{report.table([column], 'clips')}")
  run = training.cost(slice_, columns)
  if run is not None:
    found["run"] = report.run_values(run)
    print(
      f"\n{slice_}: batch {run.batch}, {1e3 * run.step_seconds:.2f} ms a step, "
      f"{run.clips_per_second:,.1f} clips/s; the whole run of {training.clips:,} clips takes "
      f"{run.chip_hours:,.1f} chip-hours"
    )
  return found


def plan_scaling(
  config: ConfigDict, generation: str, *, per_chip: int | None = None
) -> list[dict[str, Any]]:
  """Prints how the rate grows with the slice, at as many clips on each chip.

  Args:
    config: the run.
    generation: whose slices of 8 to 256 chips are compared.
    per_chip: clips of a step for each chip; None: as the configuration has on the largest slice.

  Raises:
    UserError: an unknown generation, or it does not fit.
  """
  training = Training(config)
  slices = topology.slices(generation)
  per_chip = per_chip or training.per_chip(slices[-1])
  runs: list[estimate.RunEstimate] = []
  steps: list[dict[str, Any]] = []
  for each in slices:
    columns = training.compile(each, training.batch(each, None, per_chip))
    run = training.cost(each, columns)
    if run is None:
      program = columns[-1].program
      raise UserError(
        f"{each}: with {per_chip} clips a chip it needs {program.needed / GIB:.2f} GiB of memory, "
        f"of {program.usable / GIB:.2f}; choose a smaller --per_chip_batch, or split frames over "
        "chips with --config.mesh.rows"
      )
    runs.append(run)
    steps.append(_named(training, columns))
  print(f"\n{report.scaling(runs)}")
  return [
    {**report.run_values(run), "efficiency": efficiency, "steps": kinds}
    for run, efficiency, kinds in zip(runs, estimate.efficiencies(runs), steps, strict=True)
  ]


def plan_enhancing(
  config: ConfigDict, size: str, slices: Sequence[topology.Topology]
) -> list[dict[str, Any]]:
  """Prints a table of enhancing video on one chip of each generation."""
  enhancing = Enhancing(config, size)
  chips = {each.chip.name: topology.one_chip(each.chip) for each in slices}
  columns = [enhancing.compile(each) for each in chips.values()]
  print(f"\n{enhancing}")
  print(report.table(columns, "frames"))
  return [report.values(column) for column in columns]


def _named(training: Training, columns: Sequence[report.Column]) -> dict[str, Any]:
  return {
    name: report.values(column) for name, column in zip(training.phases, columns, strict=False)
  }


def define_flags() -> None:
  """The command's flags."""
  define_config("Configuration, FILE[:VARIANT,...].")
  flags.DEFINE_list("topology", None, "Slices, such as v5e:2x4,v5e:16x16.")
  flags.DEFINE_integer("batch", None, "Clips of a step, over all chips; else the config's.")
  flags.DEFINE_integer("per_chip_batch", None, "Clips of a step for each chip.")
  flags.DEFINE_string("scaling", None, "Generation; compare its slices of 8 to 256 chips.")
  flags.DEFINE_string("enhance", None, "WIDTHxHEIGHT; plan enhancing such video instead.")
  flags.DEFINE_string("json", None, "File for all figures.")


def main(argv: Sequence[str]) -> None:
  """Checks the flags, compiles, prints."""
  if argv[1:]:
    raise UserError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
  values = flags.FLAGS
  if values.config is None:
    raise UserError("--config=FILE[:VARIANT,...] is needed")
  if values.batch is not None and values.per_chip_batch is not None:
    raise UserError("give one of --batch and --per_chip_batch")
  if values.scaling is not None and (values.topology or values.batch or values.enhance):
    raise UserError("--scaling takes its own slices and --per_chip_batch only")
  for name, value in (("batch", values.batch), ("per_chip_batch", values.per_chip_batch)):
    if value is not None and value < 1:
      raise UserError(f"--{name} is {value}; expected at least 1")
  if values.json is not None and not Path(values.json).parent.is_dir():
    raise UserError(f"--json={values.json}: there is no folder {Path(values.json).parent}")
  slices = [topology.parse(name) for name in values.topology or DEFAULT]
  without_tpu()
  found: dict[str, Any] = {"config": values.config.name}
  if values.scaling is not None:
    found["scaling"] = plan_scaling(values.config, values.scaling, per_chip=values.per_chip_batch)
  elif values.enhance is not None:
    found["enhance"] = plan_enhancing(values.config, values.enhance, slices)
  else:
    found["training"] = plan_training(
      values.config, slices, batch=values.batch, per_chip=values.per_chip_batch
    )
  if values.json is not None:
    with replacing(Path(values.json)) as temporary:
      temporary.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
  define_flags()
  run_main(main, check_flags)
