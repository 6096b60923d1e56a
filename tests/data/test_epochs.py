"""Every example once in every epoch, however many hosts share it and wherever a run was stopped."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llve_jax.data import pipeline
from llve_jax.io.images import encode_png

HOSTS = st.sampled_from([1, 2, 4])
IMAGE = encode_png(np.zeros((2, 2, 3), np.uint8))


class Numbered:
  """Examples that are told apart by the name of their clip alone."""

  def __init__(self, count):
    self._count = count

  def __len__(self):
    return self._count

  def __getitem__(self, index):
    clip = str(index).encode()
    return {"low": [IMAGE], "high": [IMAGE], "clip": clip, "variant": 0, "start": 0}


def _hosts(source, batch, seed, count):
  """The iterators of all hosts, batches of `batch` together."""
  return [
    pipeline.train_iterator(
      source,
      batch=batch // count,
      frames=1,
      crop=1,
      seed=seed,
      augment="none",
      threads=0,
      process_index=index,
      process_count=count,
    )
    for index in range(count)
  ]


def _take(hosts, steps):
  """The next global batches: which examples each has, joined in the order of hosts."""
  numbers = []
  for _ in range(steps):
    ids = np.concatenate([next(host)["id"] for host in hosts]).tolist()
    numbers.append([int(where.split("/")[0]) for where in ids])
  return numbers


def _assert_epochs(batches, count):
  """Every stretch of `count` examples from the beginning has each once; the last may be cut."""
  numbers = list(itertools.chain(*batches))
  for start in range(0, len(numbers), count):
    epoch = numbers[start : start + count]
    assert len(set(epoch)) == len(epoch)
    if len(epoch) == count:
      assert set(epoch) == set(range(count))


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(
  count=st.integers(1, 23),
  per_host=st.integers(1, 3),
  seed=st.integers(0, 2**32 - 1),
  hosts=st.lists(HOSTS, min_size=1, max_size=3),
  stops=st.lists(st.integers(0, 7), min_size=3, max_size=3),
)
def test_hosts_come_and_go_and_nobody_notices(count, per_host, seed, hosts, stops):
  source, batch = Numbered(count), 4 * per_host
  state, seen = None, []
  for number, steps in zip(hosts, stops, strict=False):
    running = _hosts(source, batch, seed, number)
    if state is not None:
      for host in running:
        host.set_state(state)
    seen += _take(running, steps)
    states = [host.get_state() for host in running]
    assert all(found == states[0] for found in states)
    state = states[0]
    assert state == {"next_index": len(seen)}
  (alone,) = _hosts(source, batch, seed, 1)
  assert seen == _take([alone], len(seen))
  _assert_epochs(seen, count)


@settings(deadline=None, max_examples=20)
@given(count=st.integers(1, 12), hosts=HOSTS, seed=st.integers(0, 2**32 - 1))
def test_three_epochs_have_every_example_three_times(count, hosts, seed):
  """Where the batch divides them all: the end of each epoch is seen, too."""
  steps = 3 * count
  seen = _take(_hosts(Numbered(count), 4, seed, hosts), steps)
  _assert_epochs(seen, count)
  assert np.bincount(list(itertools.chain(*seen))).tolist() == [4 * steps // count] * count
