"""Agreement: of one process with itself, and of two real ones."""

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
  say("broadcast", agree.broadcast({"process": me, "list": [1, 2.5, None]}))
  say("any", agree.any_process(me == 1), agree.any_process(False))
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
      "broadcast {'process': 0, 'list': [1, 2.5, None]}",
      "any True False",
      "votes [0, 0, 0, 0, 1, 0, 0]",
    ]


def test_one_process_asks_nobody() -> None:
  assert jax.process_count() == 1
  assert from_first(lambda: 3) == 3

  def wrong() -> None:
    raise UserError("own")

  with pytest.raises(UserError, match="own"):
    from_first(wrong)
  assert agree.any_process(True)
  assert not agree.any_process(False)
  assert agree.broadcast({"a": 1}) == {"a": 1}


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
