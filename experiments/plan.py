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

from absl import flags
from ml_collections import ConfigDict, config_flags

from experiments import overrides
from experiments.planned import Enhancing, Training
from llve_jax.errors import UserError, run_main
from llve_jax.io.atomic import replacing
from llve_jax.io.platform import without_tpu
from llve_jax.plan import estimate, report, topology

CONFIG = config_flags.DEFINE_config_file("config", None, "Configuration, FILE[:VARIANT,...].")
TOPOLOGY = flags.DEFINE_list("topology", None, "Slices, such as v5e:2x4,v5e:16x16.")
BATCH = flags.DEFINE_integer("batch", None, "Clips of a step, over all chips; else the config's.")
PER_CHIP = flags.DEFINE_integer("per_chip_batch", None, "Clips of a step for each chip.")
SCALING = flags.DEFINE_string("scaling", None, "Generation; compare its slices of 8 to 256 chips.")
ENHANCE = flags.DEFINE_string("enhance", None, "WIDTHxHEIGHT; plan enhancing such video instead.")
JSON = flags.DEFINE_string("json", None, "File for all figures.")
DEFAULT = ("v5e:2x4", "v5e:16x16")


def plan_training(config: ConfigDict, slices: Sequence[topology.Topology]) -> list[dict[str, Any]]:
  """Prints a table for each kind of step; returns the figures."""
  training = Training(config)
  found: list[dict[str, Any]] = []
  asked: list[list[report.Column]] = []
  fitting: list[list[report.Column]] = []
  for each in slices:
    batch = training.batch(each, BATCH.value, PER_CHIP.value)
    columns = training.compile(each, batch)
    asked.append(columns)
    fitting.append(columns if _fit(columns) else training.largest_fitting(each, columns))
  for phase, name in enumerate(training.kinds):
    print(f"\n{name}")
    print(report.table([columns[phase] for columns in asked if phase < len(columns)], "clips"))
  for each, columns, smaller in zip(slices, asked, fitting, strict=True):
    entry: dict[str, Any] = {"topology": str(each), "batch": columns[0].items}
    entry["steps"] = _named(training, columns)
    if smaller is not columns:
      print(f"\n{each}: a batch of {columns[0].items} does not fit.", _advice(smaller))
      entry["largest_fitting"] = _named(training, smaller)
      if smaller:
        for phase, name in enumerate(training.kinds):
          print(f"\n{name}, with the batch that fits")
          print(report.table([smaller[phase]], "clips"))
    run = training.cost(each, smaller)
    if run is not None:
      entry["run"] = report.run_values(run)
      print(
        f"\n{each}: batch {run.batch}, {1e3 * run.step_seconds:.2f} ms a step, "
        f"{run.clips_per_second:,.1f} clips/s; the whole run of {training.clips:,} clips takes "
        f"{run.chip_hours:,.1f} chip-hours"
      )
    found.append(entry)
  return found


def plan_scaling(config: ConfigDict, generation: str) -> list[dict[str, Any]]:
  """Prints how the rate grows with the slice, at as many clips on each chip."""
  training = Training(config)
  slices = topology.slices(generation)
  per_chip = PER_CHIP.value or training.per_chip(slices[-1])
  runs: list[estimate.RunEstimate] = []
  steps: list[dict[str, Any]] = []
  for each in slices:
    columns = training.compile(each, training.batch(each, None, per_chip))
    run = training.cost(each, columns)
    if run is None:
      needed, usable = (getattr(columns[-1].program, name) / 2**30 for name in ("needed", "usable"))
      raise UserError(
        f"{each}: {per_chip} clips a chip need {needed:.2f} GiB of memory, of {usable:.2f}; choose "
        "a smaller --per_chip_batch, or split frames over chips with --config.mesh.rows"
      )
    runs.append(run)
    steps.append(_named(training, columns))
    print(f"  compiled for {each}", flush=True)
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


def _fit(columns: Sequence[report.Column]) -> bool:
  return all(column.program.fits for column in columns)


def _named(training: Training, columns: Sequence[report.Column]) -> dict[str, Any]:
  return {
    name: report.values(column) for name, column in zip(training.phases, columns, strict=False)
  }


def _advice(fitting: Sequence[report.Column]) -> str:
  if fitting:
    return f"{fitting[0].items} does."
  return "Not even one clip does; split frames over chips with --config.mesh.rows."


def main(argv: Sequence[str]) -> None:
  """Checks the flags, compiles, prints."""
  if argv[1:]:
    raise UserError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
  if CONFIG.value is None:
    raise UserError("--config=FILE[:VARIANT,...] is needed")
  if BATCH.value is not None and PER_CHIP.value is not None:
    raise UserError("give one of --batch and --per_chip_batch")
  if SCALING.value is not None and (TOPOLOGY.value or BATCH.value or ENHANCE.value):
    raise UserError("--scaling takes its own slices and --per_chip_batch only")
  without_tpu()
  names = TOPOLOGY.value or DEFAULT
  slices = [topology.parse(name) for name in names]
  if SCALING.value is not None:
    found: Any = {"scaling": plan_scaling(CONFIG.value, SCALING.value)}
  elif ENHANCE.value is not None:
    found = {"enhance": plan_enhancing(CONFIG.value, ENHANCE.value, slices)}
  else:
    found = {"training": plan_training(CONFIG.value, slices)}
  if JSON.value is not None:
    with replacing(Path(JSON.value)) as temporary:
      temporary.write_text(json.dumps({"config": CONFIG.value.name, **found}, indent=1) + "\n")


if __name__ == "__main__":
  run_main(main, overrides.check)
