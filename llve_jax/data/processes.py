"""Batches prepared by several processes, in the order and with the state of a single one.

Decoding runs beside other threads, but every batch also takes some Python that does not. A host
with many cores prepares more with a few processes of several threads each.
"""

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait
from typing import Any

import grain
import numpy as np
from absl import flags

from llve_jax.data.allocation import keep_freed_memory

Batch = dict[str, np.ndarray]


class InProcesses(grain.DatasetIterator[Batch]):
  """Goes through a dataset whose k-th batch depends on k alone.

  Grain's own iterator over processes has a state for each of them, which fits no other number of
  processes. Here it is the number of the next batch, as without processes; setting it starts the
  processes anew. Each of them keeps a copy of what the dataset keeps in memory.

  To be closed after use; where the program ends or is killed without that, the processes end, too.
  """

  def __init__(
    self, dataset: grain.MapDataset[Batch], processes: int, options: grain.ReadOptions
  ) -> None:
    """Begins with batch 0; `options` are those of each process."""
    super().__init__()
    self._dataset, self._options = dataset, options
    self._workers = grain.MultiprocessingOptions(
      num_workers=processes, per_worker_buffer_size=max(1, options.prefetch_buffer_size)
    )
    self._next = 0
    self._running: grain.DatasetIterator[Batch] | None = None

  def __next__(self) -> Batch:
    if self._running is None:
      if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # outside of a command; Grain asks for some of its own
      rest = self._dataset[self._next :].to_iter_dataset(self._options)
      self._running = iter(rest.mp_prefetch(self._workers, worker_init_fn=_settle))
    batch: Batch = next(self._running)
    self._next += 1
    return batch

  def get_state(self) -> dict[str, Any]:
    """The state that the iterator of a single process would have here."""
    return {"next_index": self._next}

  def set_state(self, state: dict[str, Any]) -> None:
    """Goes on from such a state."""
    self.close()
    self._next = state["next_index"]

  def close(self) -> None:
    """Ends the processes; the next batch starts new ones."""
    if self._running is not None:
      self._running.close()
      self._running = None


def _settle(index: int, count: int) -> None:
  """Makes a worker live exactly as long as the process that it works for.

  A signal to a whole group of processes, such as Ctrl-C or a scheduler's, is for that one: it may
  want a few more batches before it stops.
  """
  del index, count
  keep_freed_memory()
  for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
  threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
  parent = multiprocessing.parent_process()
  if parent is not None:
    wait([parent.sentinel])
    os._exit(1)  # no clean-up can help: who would read the batches is gone
