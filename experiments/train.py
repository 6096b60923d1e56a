"""Trains a network: `python -m experiments.train --config=FILE[:VARIANT,...] --workdir=DIR`.

The run resumes by itself from the newest checkpoint in the workdir, at the very batch, also on
other devices or another number of hosts. The last line it prints is one line of JSON with the final
metrics and what the run took. The workdir holds config.json, history.json (metrics of every
evaluation), journal.jsonl (time of every attempt), best.safetensors, checkpoints and tensorboard.

Several processes make one run, see docs/LAUNCH.md: all get the same command and see the same
workdir; the first one prints and writes.

Exit status: 0 done; 2 bad input; 75 asked to stop (SIGTERM, Ctrl-C, maintenance of the host), the
state is saved; 76 another process of the run was lost. After 75 and 76 the same command goes on.
"""

import contextlib
import errno
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llve_jax import at_once

if __name__ == "__main__":
  at_once.say("reading", "config")  # what follows takes seconds to load

import jax
from absl import flags
from ml_collections import ConfigDict

from experiments.run.attempt import Attempt
from experiments.run.flags import check as check_flags
from experiments.run.flags import define as define_config
from experiments.run.folder import workplace
from experiments.run.settings import fingerprint
from llve_jax.data.allocation import keep_freed_memory
from llve_jax.errors import UserError, run_main
from llve_jax.io.compilation import enable_cache
from llve_jax.io.platform import without_tpu
from llve_jax.job import hosts, interrupt, maintenance

CONFIG = define_config("Configuration, FILE[:VARIANT,...].")
WORKDIR = flags.DEFINE_string("workdir", None, "Folder for checkpoints, logs and weights.")
ALLOW_CHANGES = flags.DEFINE_bool(
  "allow_changes", False, "Go on with a run under other settings than it was begun with."
)
COORDINATOR = flags.DEFINE_string(
  "coordinator", None, "HOST:PORT of process 0, where several make one run."
)
NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes make the run.")
PROCESS_ID = flags.DEFINE_integer("process_id", None, "Which one this is, from 0.")


def train(
  config: ConfigDict,
  workdir: Path,
  *,
  stop: interrupt.Interrupt | None = None,
  allow_changes: bool = False,
) -> dict[str, Any]:
  """Runs or resumes the training; returns the final metrics and, under "run", what it took.

  Args:
    config: see `experiments.configs`.
    workdir: the run folder.
    stop: asks the run to stop; None: nothing does.
    allow_changes: whether the folder may have been begun with other settings.

  Raises:
    Interrupted: the run was asked to stop. Its state has been saved, unless it had only begun.
  """
  attempt = Attempt(config, workdir, interrupt.Interrupt() if stop is None else stop)
  # Refused settings leave the folder as it was.
  with contextlib.closing(attempt), workplace(workdir, config, allow_changes=allow_changes):
    return attempt()


def main(argv: Sequence[str]) -> None:
  """Checks the flags, trains, prints the metrics."""
  if argv[1:]:
    raise UserError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
  if CONFIG.value is None or WORKDIR.value is None:
    raise UserError("both --config=FILE[:VARIANT,...] and --workdir=DIR are needed")
  without_tpu()
  keep_freed_memory()
  enable_cache()
  cluster = hosts.find_cluster(
    os.environ,
    coordinator=COORDINATOR.value,
    processes=NUM_PROCESSES.value,
    process=PROCESS_ID.value,
  )
  same = {"settings": fingerprint(CONFIG.value), "workdir": str(WORKDIR.value)}
  with contextlib.ExitStack() as stack:
    stop = stack.enter_context(interrupt.Interrupt())
    stack.enter_context(hosts.joined(cluster, same=same))
    if not hosts.is_writer():  # one process speaks
      quiet = stack.enter_context(open(os.devnull, "w"))
      stack.enter_context(contextlib.redirect_stdout(quiet))
    if jax.default_backend() == "tpu":
      stack.enter_context(maintenance.watched(stop.request))
    try:
      metrics = train(
        CONFIG.value, Path(WORKDIR.value), stop=stop, allow_changes=ALLOW_CHANGES.value
      )
    except interrupt.Interrupted as stopped:
      print(f"{stopped}: stopped; the same command goes on from here", file=sys.stderr)
      interrupt.leave(interrupt.EXIT_STOPPED)
    except OSError as error:
      raise writing_failed(error) from error
    print(json.dumps(metrics), flush=True)
    interrupt.leave(0)  # it is done: a signal from now on stops nothing


def writing_failed(error: OSError) -> Exception:
  """A full or read-only disk is told as such; anything else is what it was."""
  if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES):
    return error
  return UserError(
    f"{error.filename or WORKDIR.value}: cannot be written ({error.strerror}); checkpoints that "
    "were finished remain usable. Make room, and give the same command again"
  )


if __name__ == "__main__":
  run_main(main, check_flags)
