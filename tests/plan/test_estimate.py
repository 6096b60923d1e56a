import dataclasses

import pytest

from llve_jax.plan import estimate, topology
from llve_jax.plan.collectives import Collective
from llve_jax.plan.compile import Memory, Program, Work

EIGHT = topology.parse("v5e:2x4")
WORK = Work(
  flops=197e9,  # a millisecond at the peak
  cycles=6_000_000,  # four
  hbm_bytes=1_638_000_000,  # two
  xla_flops=0,
  xla_bytes=0,
  xla_seconds=None,
  collectives=(Collective("collective-permute", 50_000, 2, 3),),  # three times two microseconds
  unknown_loops=0,
)
SENT = 6e-6


def program(work: Work | None, slice_: topology.Topology = EIGHT) -> Program:
  return Program(slice_, 2**30, 2**34, Memory(1, 1, 1, 1, 4), work, 1.0)


def test_times_of_a_step() -> None:
  times = estimate.of_work(WORK, EIGHT)
  assert times.arithmetic == pytest.approx(1e-3)
  assert times.memory == pytest.approx(2e-3)
  assert times.kernels == pytest.approx(4e-3)
  assert times.links == pytest.approx(SENT)
  assert times.fastest == pytest.approx(2e-3)
  assert times.seconds == pytest.approx(4e-3 + SENT)
  assert times.most_utilisation == pytest.approx(0.5)
  assert times.utilisation == pytest.approx(1e-3 / (4e-3 + SENT))
  assert times.intensity == pytest.approx(197e9 / 1.638e9)


def test_what_is_sent_can_be_the_bound() -> None:
  slow = dataclasses.replace(WORK, collectives=(Collective("all-reduce", 10**10, 8, 1),))
  times = estimate.of_work(slow, EIGHT)
  assert times.fastest == times.links > times.kernels
  assert times.seconds == times.kernels + times.links


def test_no_prediction_beats_the_bound() -> None:
  times = estimate.of_work(dataclasses.replace(WORK, cycles=1), EIGHT)
  assert times.seconds >= times.fastest


def test_a_program_that_does_nothing_has_no_utilisation() -> None:
  empty = dataclasses.replace(WORK, flops=0.0, cycles=0, hbm_bytes=0, collectives=())
  times = estimate.of_work(empty, EIGHT)
  assert (times.most_utilisation, times.utilisation) == (0.0, 0.0)


def test_a_run_weighs_its_kinds_of_steps() -> None:
  twice = dataclasses.replace(WORK, cycles=2 * WORK.cycles)
  run = estimate.of_run(EIGHT, 16, [(300, program(WORK)), (100, program(twice))])
  assert run is not None
  mean = (300 * 4e-3 + 100 * 8e-3) / 400 + SENT
  assert run.step_seconds == pytest.approx(mean)
  assert run.clips_per_second == pytest.approx(16 / mean)
  assert run.clips_per_chip_second == pytest.approx(2 / mean)
  assert run.chip_hours == pytest.approx(400 * mean * 8 / 3600)


def test_a_run_of_which_a_step_does_not_fit_costs_nothing_known() -> None:
  assert estimate.of_run(EIGHT, 16, [(300, program(WORK)), (100, program(None))]) is None


def test_efficiency_is_beside_the_first_slice() -> None:
  sixteen = topology.parse("v5e:4x4")
  slower = dataclasses.replace(WORK, collectives=(Collective("collective-permute", 0, 2, 1004),))
  first = estimate.of_run(EIGHT, 8, [(1, program(WORK))])
  second = estimate.of_run(sixteen, 16, [(1, program(slower, sixteen))])
  assert first is not None
  assert second is not None
  expected = (4e-3 + SENT) / (4e-3 + 1004e-6)
  assert estimate.efficiencies([first, second]) == pytest.approx([1, expected])
