"""Trains and scores every row of a published table: `python -m experiments.sweep --table=NAME`.

  python -m experiments.sweep --table=turntable_ablation --workdir=DIR --size=cpu --seeds=3
  python -m experiments.sweep --table=all --workdir=DIR --print   # commands, for another scheduler
  python -m experiments.report --workdir=DIR --out=PAGE           # at any time, finished or not

Rows run one after another, or --jobs=N at a time, as `experiments.train` and then
`experiments.evaluate`. `--config.KEY=VALUE` is passed on to every row. A run that was scored is
skipped and an interrupted one resumes from its checkpoint, so after an interruption the same
command goes on. A run that fails is reported with the end of its log and the others go on.

What is left in --workdir:
  runs/CONFIG/seedK/       a run folder of `experiments.train`; CONFIG is made of the configuration
                           and its variants, and of a hash of the --config.KEY=VALUE if there were
                           any. Tables that share a row share its runs.
    train.log evaluate.log   what the commands printed, of all attempts
    timing.json              {"train_seconds": of all attempts, "attempts": how many}
    evaluation/              of `experiments.evaluate --temporal`; there once it is complete
  TABLE/table.json         the table's definition, and for each row {"config", "runs": {seed: its
                           run folder, relative to --workdir}}; of the latest call for that table
"""

import dataclasses
import hashlib
import json
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from llve_jax import at_once

if __name__ == "__main__":
  at_once.say("reading the table", "table")  # what follows takes seconds to load

from absl import flags

from experiments.reporting import tables
from experiments.run.flags import check as check_flags
from experiments.run.jobs import Job, launch_command, run_all
from llve_jax.errors import UserError, run_main
from llve_jax.io.atomic import replacing
from llve_jax.stopping import on_termination

CONFIGS = Path(__file__).parent / "configs"
DATA_DIRS = ("--config.data.dir=", "--config.test_data.dir=")
SIZES = {"cpu": "quick", "smoke": "smoke", "full": ""}  # to the variant that is appended


def config_flag(config: str, size: str) -> str:
  """NAME[:VARIANT,...] of a table as FILE[:VARIANT,...] of that size."""
  name, _, variants = config.partition(":")
  joined = ",".join(part for part in (variants, SIZES[size]) if part)
  path = os.path.relpath(CONFIGS / f"{name}.py")
  return f"{path}:{joined}" if joined else path


def run_folder(config: str, settings: Sequence[str]) -> str:
  """Name of the folder for runs of FILE[:VARIANT,...] under these `--config.KEY=VALUE`."""
  path, _, variants = config.partition(":")
  slug = re.sub(r"[^A-Za-z0-9_]+", "-", "-".join(filter(None, (Path(path).stem, variants))))
  # Where the data lie does not change what is computed.
  told = sorted(part for part in settings if not part.startswith(DATA_DIRS))
  return f"{slug}-{hashlib.sha256(' '.join(told).encode()).hexdigest()[:8]}" if told else slug


def plan(
  chosen: Mapping[str, tables.Table],
  workdir: Path,
  *,
  seeds: int,
  size: str,
  settings: Sequence[str] = (),
) -> list[Job]:
  """Writes each table.json and returns the runs they need, each once, seed by seed.

  Args:
    chosen: name -> table.
    workdir: of the sweep; made if it is not there.
    seeds: how many; they are 0, 1, ...
    size: a name of `SIZES`.
    settings: `--config.KEY=VALUE` for every row.
  """
  jobs: dict[str, Job] = {}
  for name, table in chosen.items():
    rows = {}
    for row_name, row in table.rows.items():
      if not row.config:  # published, and nothing of it can be had
        rows[row_name] = {**dataclasses.asdict(row), "runs": {}}
        continue
      if size not in row.sizes:
        print(f"{name}: {row_name} left out, it has no size {size}", file=sys.stderr)
        continue
      config = config_flag(row.config, size)
      place_of_row = run_folder(config, settings)
      if row.model:
        place_of_row = "-".join(filter(None, (row.model, row.protocol, "on", place_of_row)))
      home = Path("runs", place_of_row)
      count = 1 if row.model else seeds  # without training every seed is the same
      runs = {str(seed): str(home / f"seed{seed}") for seed in range(count)}
      rows[row_name] = {**dataclasses.asdict(row), "config": config, "runs": runs}
      for seed in range(count):
        place = runs[str(seed)]
        job = Job(
          config,
          seed,
          tuple(settings),
          workdir.absolute() / place,
          model=row.model,
          protocol=row.protocol,
        )
        job = jobs.get(place, job)
        asked = dict.fromkeys((*job.flags, *table.flags))
        jobs[place] = dataclasses.replace(job, flags=tuple(asked))
    definition = {**dataclasses.asdict(table), "rows": rows}
    definition |= {"size": size, "settings": list(settings)}
    (workdir / name).mkdir(parents=True, exist_ok=True)
    with replacing(workdir / name / "table.json") as temporary:
      temporary.write_text(json.dumps(definition, indent=2) + "\n")
  return sorted(jobs.values(), key=lambda job: job.seed)  # a first figure for every row early on


def take_settings(argv: Sequence[str]) -> tuple[list[str], list[str]]:
  """Splits a command line into what this command's flags parse and `--config.KEY=VALUE`.

  Raises:
    UserError: a `--config.KEY` without value, or one that every run sets by itself.
  """
  own, settings = [], []
  for argument in argv:
    if not re.match(r"--?config\.", argument):
      own.append(argument)
      continue
    key, equals, _ = argument.lstrip("-").partition("=")
    if not equals:
      raise UserError(f"{argument}: expected --{key}=VALUE, in one word")
    if key == "config.seed":
      raise UserError("--config.seed is set for each run; say how many with --seeds=N")
    settings.append("--" + argument.lstrip("-"))
  return own, settings


def define_flags() -> None:
  """The command's flags."""
  known = ", ".join(tables.TABLES)
  flags.DEFINE_string("table", None, f"One or more, with commas between, of: {known}; or all.")
  flags.DEFINE_string("workdir", None, "Folder of the sweep.")
  flags.DEFINE_integer("seeds", 3, "Runs of each row, with seeds 0, 1, ...", lower_bound=1)
  flags.DEFINE_string("data_dir", None, "Where TFDS keeps data sets.")
  flags.DEFINE_enum("size", "full", list(SIZES), "cpu: variant quick, smoke: variant smoke.")
  flags.DEFINE_integer("jobs", 1, "Rows at a time.", lower_bound=1)
  flags.DEFINE_bool("print", False, "Print the launch commands of what is not done; run nothing.")


def main(argv: Sequence[str], settings: Sequence[str] = ()) -> None:
  """Checks the flags, runs the rows; exit status 1 if one failed."""
  values = flags.FLAGS
  if argv[1:]:
    raise UserError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
  if values.table is None or values.workdir is None:
    raise UserError("both --table=NAME and --workdir=DIR are needed")
  if values.data_dir is not None:
    settings = [*settings, *(f"{key}{values.data_dir}" for key in DATA_DIRS)]
  chosen = tables.get(values.table)
  workdir = Path(values.workdir)
  if workdir.exists() and not workdir.is_dir():
    raise UserError(f"{workdir}: expected a folder, found a file; give --workdir another name")
  jobs = plan(chosen, workdir, seeds=values.seeds, size=values.size, settings=settings)
  if values.print:
    for job in jobs:
      if not job.done:
        check_flags(["", f"--config={job.config}", *job.settings])
        print(launch_command(job))
    return
  on_termination(lambda: sys.exit(128 + signal.SIGTERM))  # so children stop, too
  try:
    failed = run_all(jobs, at_once=values.jobs)
  except KeyboardInterrupt:
    print("stopped; the same command goes on from here", file=sys.stderr)
    sys.exit(128 + signal.SIGINT)
  print(f"{len(jobs) - len(failed)} of {len(jobs)} runs are scored, in {workdir}")
  for job, reason in failed.items():
    print(f"  failed: {job}: {reason}")
  if failed:
    sys.exit(1)


if __name__ == "__main__":
  define_flags()
  try:
    sys.argv, SETTINGS = take_settings(sys.argv)
  except UserError as problem:
    print(f"error: {problem}", file=sys.stderr)
    sys.exit(2)
  run_main(lambda argv: main(argv, SETTINGS))
