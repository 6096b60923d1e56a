"""Agreement: of one process with itself, and of two real ones."""

import json
from types import SimpleNamespace

import jax
import pytest
from jax.sharding import AxisType

from llve_jax.errors import UserError
from llve_jax.job import agree
from llve_jax.job.agree import from_first
from tests import processes

TALK = """
import os
import jax
from llve_jax.job import agree, hosts
cluster = hosts.find_cluster(os.environ)
me = cluster.process
def say(*words):
  print(*words, flush=True)
with hosts.joined(cluster, wait=30, heartbeat=10):
  say(agree.from_first(lambda: {"process": me, "pair": (1, 2.5), "none": None}))
  say(agree.which_processes(me == 1), agree.which_processes(False), agree.which_processes(True))
  vote = agree.Vote(
    jax.make_mesh((jax.device_count(),), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
  )
  outcomes = []
  with jax.transfer_guard("disallow"):
    for step in range(7):
      vote.cast(me == 1 and step == 2)
      outcomes.append(int(vote.outcome()))
  say("votes", outcomes)
"""


def test_two_processes_talk_and_vote() -> None:
  for one in processes.run(TALK, 2, devices=2):
    assert one.code == 0, one.err
    assert processes.own_lines(one.out) == [
      "{'process': 0, 'pair': [1, 2.5], 'none': None}",
      "[1] [] [0, 1]",
      "votes [0, 0, 0, 0, 1, 0, 0]",
    ]


def test_one_process_asks_nobody() -> None:
  assert jax.process_count() == 1
  assert from_first(lambda: 3) == 3

  def wrong() -> None:
    raise UserError("own")

  with pytest.raises(UserError, match="own"):
    from_first(wrong)
  assert agree.which_processes(True) == [0]
  assert agree.which_processes(False) == []
  assert agree.gather({"a": 1}) == [{"a": 1}]


class Store:
  """The part of JAX's key-value store that is used, between threads."""

  def __init__(self) -> None:
    self.values: dict[str, str] = {}
    self.asked: list[int] = []

  def key_value_set(self, key: str, value: str) -> None:
    assert key not in self.values, "the store refuses to overwrite"
    self.values[key] = value

  def blocking_key_value_get(self, key: str, milliseconds: int) -> str:
    self.asked.append(milliseconds)
    if key not in self.values:
      raise jax.errors.JaxRuntimeError(f"DEADLINE_EXCEEDED: {key}")
    return self.values[key]

  def key_value_delete(self, key: str) -> None:
    assert key.endswith("/"), "a folder"
    self.values = {name: value for name, value in self.values.items() if not name.startswith(key)}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
  """This is process 0 of three; the others are written by hand."""
  store = Store()
  state = SimpleNamespace(client=store, num_processes=3, process_id=0)
  monkeypatch.setattr(agree, "distributed", SimpleNamespace(global_state=state))
  monkeypatch.setattr(agree, "_gathers", 0)
  return store


def test_the_store_keeps_the_last_exchange_only(store: Store) -> None:
  for number in range(3):
    for process in (1, 2):
      store.key_value_set(f"llve_jax/{number}/{process}", json.dumps([process, number]))
    assert agree.gather((0, number)) == [[0, number], [1, number], [2, number]]
  assert sorted(store.values) == ["llve_jax/2/1", "llve_jax/2/2", "llve_jax/2/all"]
  assert max(store.asked) <= 500, "a signal would wait that long"


def test_who_does_not_come_is_waited_for_only_so_long(store: Store) -> None:
  store.key_value_set("llve_jax/0/1", "true")
  with pytest.raises(TimeoutError, match="llve_jax/0/2"):
    agree.gather(True, timeout=0.05)


def test_other_trouble_of_the_store_is_not_waited_for(store: Store) -> None:
  def down(key: str, milliseconds: int) -> str:
    raise jax.errors.JaxRuntimeError("UNAVAILABLE: failed to connect")

  store.blocking_key_value_get = down  # type: ignore[method-assign]
  with pytest.raises(jax.errors.JaxRuntimeError, match="UNAVAILABLE"):
    agree.gather(True)


def test_processes_without_a_coordinator_are_told_how_to_begin(
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  monkeypatch.setattr(jax, "process_count", lambda: 4)
  with pytest.raises(UserError, match=r"4 processes that cannot talk .* jax\.distributed"):
    agree.which_processes(True)


def test_one_process_votes_for_now() -> None:
  mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
  vote = agree.Vote(mesh)
  assert not vote.outcome()
  outcomes = []
  for flag in (False, True, False):
    vote.cast(flag)
    outcomes.append(vote.outcome())
  assert outcomes == [False, True, False]


def test_with_others_the_outcome_is_late_but_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
  mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
  vote = agree.Vote(mesh)
  monkeypatch.setattr(vote, "_alone", False)
  outcomes = []
  for flag in (True, False, False, False):
    vote.cast(flag)
    outcomes.append(vote.outcome())
  assert outcomes == [False, False, True, False]
