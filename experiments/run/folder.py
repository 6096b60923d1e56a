"""The run folder: who may use it, and the files in it that are no checkpoints.

Of several processes only the first one writes.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict
from tensorboardX import SummaryWriter

from experiments.run.settings import check_settings
from llve_jax.io import bundle
from llve_jax.io.atomic import replacing
from llve_jax.io.run_folder import BEST, HISTORY, JOURNAL, SETTINGS, TENSORBOARD
from llve_jax.job import hosts, lock
from llve_jax.job.agree import from_first
from llve_jax.train.goodput import Journal


@contextlib.contextmanager
def workplace(workdir: Path, config: ConfigDict, *, allow_changes: bool) -> Iterator[None]:
  """Keeps the run folder to this run while it goes on.

  Raises:
    UserError: in all processes: another run is in it, it cannot be written, or it was begun with
      other settings.
  """
  with contextlib.ExitStack() as stack:

    def take() -> None:
      stack.enter_context(lock.locked(workdir))
      if not allow_changes:
        check_settings(workdir / SETTINGS, config)

    from_first(take)
    yield


class Notes:
  """What a run writes about itself."""

  def __init__(self, workdir: Path, config: ConfigDict):
    """Writes the settings."""
    self._workdir, self._config = workdir, config
    self._journal: Journal | None = None
    if hosts.is_writer():
      self._write(SETTINGS, config.to_json_best_effort(indent=2))

  def _write(self, name: str, text: str) -> None:
    with replacing(self._workdir / name) as temporary:
      temporary.write_text(text + "\n")

  def writer(self, step: int) -> SummaryWriter:
    """Of TensorBoard's files, with the settings in them."""
    folder = str(self._workdir / TENSORBOARD)
    writer = SummaryWriter(folder, write_to_disk=hosts.is_writer())
    writer.add_text("config", f"```\n{self._config.to_json_best_effort(indent=2)}\n```", step)
    return writer

  def journal(self, step: int, elapsed: float) -> Journal | None:
    """Notes an attempt that began `elapsed` seconds ago; None in processes that do not write."""
    if hosts.is_writer():
      path = self._workdir / JOURNAL
      self._journal = Journal(path, step=step, elapsed=elapsed)
    return self._journal

  def end(self, step: int, why: str, seconds: Mapping[str, float]) -> None:
    """Notes the end of the attempt, and the time since the last lap."""
    if self._journal is not None:
      self._journal.end(step, why, seconds)

  def keep_best(self, kwargs: Mapping[str, Any]) -> Callable[[Any, int, Mapping[str, float]], None]:
    """Returns a function of (variables, step, metrics) that keeps the weights of the network."""

    def keep(variables: Any, step: int, metrics: Mapping[str, float]) -> None:
      if hosts.is_writer():
        origin = {"config": self._config.name, "step": step, **metrics}
        name = self._config.model.name
        bundle.save(self._workdir / BEST, bundle.Bundle(name, dict(kwargs), variables, origin))

    return keep

  def keep_history(self, history: Sequence[Mapping[str, float]]) -> None:
    """Keeps the metrics of all evaluations."""
    if hosts.is_writer():
      self._write(HISTORY, json.dumps(history, indent=1))
