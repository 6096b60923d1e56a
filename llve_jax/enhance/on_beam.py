"""Many files dealt out by Apache Beam: to the cores of this machine, or to many machines.

Sources and results are files at the same paths on all of them. A worker that is lost has its file
done again by another; that each is written whole or not at all makes it harmless.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from llve_jax.enhance import many
from llve_jax.errors import UserError


def run(
  jobs: Sequence[many.Job], options: dict[str, Any], beam_options: str
) -> Iterator[tuple[many.Job, str | None]]:
  """Enhances all, and then yields each job with what went wrong.

  Args:
    jobs: what to read and write; the folders are there.
    options: keyword arguments of `command.run`.
    beam_options: names and values with commas between them, "runner=DirectRunner" among them; a
      name alone is a switch.

  Raises:
    UserError: Beam is not installed, or does not take these options.
  """
  try:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
  except ImportError as error:
    raise UserError("--beam: Apache Beam is missing; pip install 'llve_jax[beam]'") from error
  if not jobs:
    return
  given = [f"--{option.strip()}" for option in beam_options.split(",") if option.strip()]
  pairs = [[str(job.source), str(job.target)] for job in jobs]
  # Beside the results, which every worker can reach.
  with tempfile.TemporaryDirectory(prefix=".beam-", dir=jobs[0].target.parent) as folder:
    try:
      with beam.Pipeline(options=PipelineOptions(given, save_main_session=False)) as pipeline:
        done = pipeline | beam.Create(pairs) | beam.Reshuffle() | beam.Map(enhance, options)
        done | beam.io.WriteToText(str(Path(folder) / "done"))
    except (ValueError, SystemExit) as error:
      raise UserError(f"--beam_options={beam_options}: Beam does not take them: {error}") from error
    lines = [line for path in Path(folder).iterdir() for line in path.read_text().splitlines()]
  for source, target, failed in sorted(map(json.loads, lines)):
    yield many.Job(Path(source), Path(target)), failed


def enhance(pair: list[str], options: dict[str, Any]) -> str:
  """Does one file on a worker; returns a line of JSON: source, target, and what went wrong."""
  job = many.Job(Path(pair[0]), Path(pair[1]))
  return json.dumps([*pair, many.do(job, options)])
