"""Scenes side by side, each in a process of its own."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2

from llve_jax.errors import UserError
from llve_jax.stopping import on_termination

_PATIENCE = 20.0  # seconds for a worker's clean-up
_is_working = False  # in a worker: whether it has something to clean up

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(task: Callable[[Item], Result], items: Sequence[Item], processes: int) -> Iterator[Result]:
  """Yields `task(item)` as the results come, in any order; with one process, in this one.

  The first error ends it. However it ends, no worker is left, and each has run its clean-up.

  Raises:
    UserError: a worker was killed; or what the task raises.
  """
  if processes <= 1 or len(items) <= 1:
    yield from map(task, items)
    return
  # Not fork: the threads of video decoders and of OpenCV do not survive it.
  context = multiprocessing.get_context("spawn")
  pool = concurrent.futures.ProcessPoolExecutor(
    min(processes, len(items)), mp_context=context, initializer=_begin
  )
  try:
    with _interrupts_ignored():  # which the processes started here inherit
      futures = [pool.submit(_run, task, item) for item in items]
    for future in concurrent.futures.as_completed(futures):
      yield future.result()
  except BrokenProcessPool as error:
    raise UserError(
      "a worker process was killed, most likely for want of memory; go on with fewer --processes"
    ) from error
  finally:
    for child in multiprocessing.active_children():
      child.terminate()
    for child in multiprocessing.active_children():
      child.join(_PATIENCE)
      child.kill()
    pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
  if threading.current_thread() is not threading.main_thread():
    yield  # only the main thread may say so, and only it is interrupted
    return
  before = signal.signal(signal.SIGINT, signal.SIG_IGN)
  try:
    yield
  finally:
    signal.signal(signal.SIGINT, before)


def _begin() -> None:
  """In a new worker: the parent decides when to stop, and cores are shared out by process."""
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  on_termination(_stop)
  cv2.setNumThreads(1)


def _stop() -> None:
  signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would break off the clean-up
  if not _is_working:
    os._exit(1)
  raise SystemExit


def _run(task: Callable[[Item], Result], item: Item) -> Result:
  global _is_working
  try:
    _is_working = True
    return task(item)
  except SystemExit:
    # The executor would hand this to the parent and give the worker its next task.
    os._exit(1)
  finally:
    _is_working = False
