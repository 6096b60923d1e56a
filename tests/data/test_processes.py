"""Processes prepare the very batches that one would, from wherever they start."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from llve_jax.data import pipeline
from llve_jax.io.images import encode_png

SMALL = {"batch": 2, "frames": 1, "crop": 3, "seed": 0}


def _assert_equal(left, right):
  for key in ("low", "high", "id"):
    np.testing.assert_array_equal(left[key], right[key])


def _source():
  """Small examples that differ."""
  images = [encode_png(np.full((4, 5, 3), k, np.uint8)) for k in range(5)]
  fixed = {"variant": 0, "start": 0}
  return [{"low": [i], "high": [i], "clip": str(k).encode(), **fixed} for k, i in enumerate(images)]


@pytest.mark.slow
def test_the_same_batches_from_any_state():
  dataset = pipeline.train_dataset(_source(), **SMALL)
  iterator = pipeline.read_ahead(dataset, 1, processes=2)
  try:
    for k in range(4):
      assert iterator.get_state() == {"next_index": k}
      _assert_equal(next(iterator), dataset[k])
    iterator.set_state({"next_index": 3})  # starts others
    assert iterator.get_state() == {"next_index": 3}
    alone = pipeline.read_ahead(dataset, 0)
    alone.set_state({"next_index": 3})
    for _ in range(2):
      _assert_equal(next(iterator), next(alone))
    assert iterator.get_state() == alone.get_state() == {"next_index": 5}
    workers = multiprocessing.active_children()
    assert len(workers) == 2
  finally:
    iterator.close()
  assert not any(worker.is_alive() for worker in workers)


PROGRAM = """
import multiprocessing, sys
import numpy as np
from llve_jax.data import pipeline
from llve_jax.io.images import encode_png
if __name__ == "__main__":
  image = encode_png(np.zeros((4, 5, 3), np.uint8))
  example = {"low": [image], "high": [image], "clip": b"c", "variant": 0, "start": 0}
  dataset = pipeline.train_dataset([example] * 5, batch=2, frames=1, crop=3, seed=0)
  iterator = pipeline.read_ahead(dataset, 1, processes=1)
  next(iterator)
  print(*[worker.pid for worker in multiprocessing.active_children()], flush=True)
  while True:
    next(iterator)
"""


def test_workers_end_with_the_process_they_work_for_and_not_before(tmp_path):
  program = tmp_path / "program.py"
  program.write_text(PROGRAM)
  process = subprocess.Popen(
    [sys.executable, str(program)],
    stdout=subprocess.PIPE,
    env={**os.environ, "PYTHONPATH": str(Path(pipeline.__file__).parents[2])},
    start_new_session=True,
  )
  assert process.stdout is not None
  try:
    workers = [int(pid) for pid in process.stdout.readline().split()]
    assert len(workers) == 1
    os.kill(workers[0], signal.SIGTERM)  # a scheduler tells them all; work goes on
    time.sleep(0.2)
    assert _runs(workers[0])
    process.kill()
    process.wait(20)
    deadline = time.monotonic() + 20
    while _runs(workers[0]) and time.monotonic() < deadline:
      time.sleep(0.05)
    assert not _runs(workers[0])
  finally:
    with contextlib.suppress(ProcessLookupError):
      os.killpg(process.pid, signal.SIGKILL)  # its session, which nothing else is in
    process.stdout.close()


def _runs(pid):
  """Whether a process runs; one that ended and that nobody asked after does not."""
  try:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
  except FileNotFoundError:
    return False
