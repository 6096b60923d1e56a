import threading
import time

import pytest

from llve_jax.enhance.overlap import Behind, ahead


def threads():
  return [each for each in threading.enumerate() if each.name in ("ahead", "behind")]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
  yield
  assert not threads()


def test_items_come_in_order_and_few_are_held():
  taken = []

  def items():
    for index in range(50):
      taken.append(index)
      yield index

  stream = ahead(items(), 2)
  assert next(stream) == 0
  time.sleep(0.05)
  assert len(taken) <= 5
  assert list(stream) == list(range(1, 50))


def test_an_error_comes_behind_what_came_before_it():
  def items():
    yield 1
    raise ZeroDivisionError("broken")

  stream = ahead(items())
  assert next(stream) == 1
  with pytest.raises(ZeroDivisionError, match="broken"):
    next(stream)


def test_who_stops_early_closes_the_source():
  closed = []

  def items():
    try:
      while True:
        yield 1
    finally:
      closed.append(True)

  stream = ahead(items())
  next(stream)
  stream.close()
  assert closed == [True]


def test_work_is_done_in_order_before_the_end():
  done = []
  with Behind(done.append, 2) as behind:
    for index in range(20):
      behind.put(index)
  assert done == list(range(20))


def test_an_error_of_the_work_is_raised_by_the_next_item_or_the_end():
  def work(item):
    raise ValueError(item)

  def many():
    with Behind(work) as behind:
      for index in range(100):
        behind.put(index)

  with pytest.raises(ValueError, match="0"):
    many()
  with pytest.raises(ValueError, match="7"), Behind(work) as behind:
    behind.put(7)


def test_an_error_outside_stops_at_once():
  done = []

  def slow(item):
    time.sleep(0.02)
    done.append(item)

  def interrupted():
    with Behind(slow, 50) as behind:
      for index in range(50):
        behind.put(index)
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    interrupted()
  assert len(done) < 50
