"""Histories that were added up by hand."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llve_jax.errors import UserError
from llve_jax.train import goodput
from llve_jax.train.goodput import Journal, read, summarize


class Day:
  """A time of day that is set by hand."""

  def __init__(self, seconds: float = 1000.0):
    self.seconds = seconds

  def __call__(self) -> float:
    return self.seconds


@pytest.fixture
def day() -> Day:
  return Day()


@pytest.fixture
def path(tmp_path: Path) -> Path:
  return tmp_path / "goodput.jsonl"


def test_a_run_without_a_restart(path: Path, day: Day) -> None:
  journal = Journal(path, step=0, wall=day)
  day.seconds += 30
  journal.progress(10, {"compile": 10, "compute": 15, "data": 5, "save": 0.0})
  day.seconds += 20
  journal.progress(20, {"compute": 15, "evaluation": 5})
  day.seconds += 10
  journal.end(20, "done", {"save": 10, "other": 0.0})
  found = summarize(read(path))
  assert found == goodput.Goodput(
    goodput=0.5,
    wall_seconds=60,
    compute_seconds=30,
    lost_seconds=0,
    lost_steps=0,
    downtime_seconds=0,
    restarts=0,
    clock_back_seconds=0,
    seconds={"compile": 10, "compute": 30, "data": 5, "evaluation": 5, "save": 10},
  )
  later = summarize(read(path), now=day.seconds + 60)
  assert (later.goodput, later.wall_seconds, later.downtime_seconds) == (0.25, 120, 60)


def test_what_an_attempt_does_before_it_is_noted_counts_once(path: Path, day: Day) -> None:
  """Each prepares for 8 seconds, which its first record tells of; 5 lie between the two."""
  for first in (0, 4):
    day.seconds += 8
    journal = Journal(path, step=first, elapsed=8.0, wall=day)
    day.seconds += 12
    journal.end(first + 4, "stopped", {"other": 8, "compute": 12})
    day.seconds += 5
  found = summarize(read(path))
  assert (found.wall_seconds, found.downtime_seconds, found.compute_seconds) == (45, 5, 24)


def test_a_kill_loses_the_steps_after_the_checkpoint(path: Path, day: Day) -> None:
  """Saved at 10, killed after 24: 11 to 20 are redone, 21 to 24 nobody recorded."""
  journal = Journal(path, step=0, wall=day)
  day.seconds += 10
  journal.progress(10, {"compute": 10})
  day.seconds += 20
  journal.progress(20, {"compute": 20})
  day.seconds += 8 + 32  # four more steps, then the kill and the queue
  journal = Journal(path, step=10, wall=day)
  assert journal.attempt == 1
  day.seconds += 30
  journal.progress(30, {"restore": 6, "compute": 24})
  found = summarize(read(path))
  assert found.restarts == 1
  assert found.lost_steps == 10
  assert found.lost_seconds == 20
  assert found.downtime_seconds == 40
  assert found.compute_seconds == 10 + 24
  assert found.wall_seconds == 10 + 20 + 40 + 30
  assert found.goodput == pytest.approx(0.34)
  assert found.seconds == {"compute": 54, "restore": 6}
  assert journal.tally.summary() == found  # without reading the file again


def test_a_checkpoint_between_two_records_cuts_by_steps(path: Path, day: Day) -> None:
  Journal(path, step=0, wall=day).progress(20, {"compute": 40})
  Journal(path, step=5, wall=day).progress(6, {"compute": 1})
  found = summarize(read(path))
  assert (found.compute_seconds, found.lost_seconds, found.lost_steps) == (11, 30, 15)


def test_an_older_checkpoint_takes_steps_of_several_attempts(path: Path, day: Day) -> None:
  """The third attempt finds the newest checkpoints damaged and goes on from 5."""
  Journal(path, step=0, wall=day).progress(10, {"compute": 10})
  Journal(path, step=10, wall=day).progress(20, {"compute": 30})
  Journal(path, step=5, wall=day).progress(20, {"compute": 15})
  found = summarize(read(path))
  assert found.compute_seconds == 5 + 15
  assert found.lost_seconds == 5 + 30
  assert found.lost_steps == 15
  assert found.restarts == 2


def test_an_attempt_that_is_killed_before_its_first_step(path: Path, day: Day) -> None:
  Journal(path, step=0, wall=day).progress(10, {"compute": 10})
  day.seconds += 10
  Journal(path, step=10, wall=day)
  day.seconds += 5
  Journal(path, step=10, wall=day).progress(20, {"compute": 10})
  found = summarize(read(path))
  assert (found.restarts, found.lost_steps, found.downtime_seconds) == (2, 0, 15)
  assert found.compute_seconds == 20


def test_unrecorded_steps_before_a_save_count_as_none(path: Path, day: Day) -> None:
  Journal(path, step=0, wall=day).progress(10, {"compute": 10})
  Journal(path, step=15, wall=day).progress(20, {"compute": 5})
  found = summarize(read(path))
  assert (found.compute_seconds, found.lost_steps) == (15, 0)


@pytest.mark.parametrize("cut", [1, 20, -2])
def test_a_torn_last_line_is_skipped_and_the_next_attempt_starts_a_line(
  path: Path, day: Day, cut: int
) -> None:
  journal = Journal(path, step=0, wall=day)
  journal.progress(10, {"compute": 10})
  before = path.read_bytes()
  journal.progress(20, {"compute": 10})
  line = path.read_bytes()[len(before) :]
  path.write_bytes(before + line[:cut])
  assert [record["step"] for record in read(path)] == [0, 10]
  again = Journal(path, step=10, wall=day)
  again.progress(30, {"compute": 30})
  assert [record["step"] for record in read(path)] == [0, 10, 10, 30]
  assert summarize(read(path)).compute_seconds == 40


def test_a_line_that_lacks_only_its_break_still_counts(path: Path, day: Day) -> None:
  Journal(path, step=0, wall=day).progress(10, {"compute": 10})
  path.write_bytes(path.read_bytes().rstrip(b"\n"))
  Journal(path, step=10, wall=day)
  assert [record["event"] for record in read(path)] == ["start", "progress", "start"]


def test_a_clock_that_goes_backwards_between_attempts_is_clamped_and_told(
  path: Path, day: Day
) -> None:
  Journal(path, step=0, wall=day).progress(10, {"compute": 10})
  day.seconds -= 500  # the next host's clock
  journal = Journal(path, step=10, wall=day)
  day.seconds += 10
  journal.progress(20, {"compute": 10})
  found = summarize(read(path), now=day.seconds - 3)
  assert found.downtime_seconds == 0
  assert found.clock_back_seconds == 500
  assert (found.wall_seconds, found.goodput) == (20, 1)


def test_a_clock_that_is_set_during_an_attempt_changes_nothing(path: Path, day: Day) -> None:
  journal = Journal(path, step=0, wall=day)
  day.seconds += 10 + 3600
  journal.progress(10, {"compute": 10})
  day.seconds -= 7200
  journal.progress(20, {"compute": 10})
  found = summarize(read(path))
  assert (found.wall_seconds, found.clock_back_seconds) == (20, 0)


def test_records_of_an_attempt_whose_start_is_damaged_are_left_out(path: Path, day: Day) -> None:
  Journal(path, step=0, wall=day).progress(10, {"compute": 10})
  start, progress = path.read_bytes().splitlines()
  other = {**json.loads(progress), "attempt": 1, "step": 20}
  path.write_bytes(b"\n".join([start, progress, start[:9], json.dumps(other).encode(), b""]))
  assert summarize(read(path)).compute_seconds == 10


@pytest.mark.parametrize(
  "line", [b"[]", b"7", b"null", b'{"event": "start"}', b"\xff\xfe", b"", b'{"event": 3}']
)
def test_other_lines_are_skipped(path: Path, line: bytes) -> None:
  path.write_bytes(line + b"\n")
  assert read(path) == []


def test_nothing_has_happened_yet(path: Path, day: Day) -> None:
  assert read(path) == []
  assert summarize([]).goodput == 0
  assert summarize([], now=day.seconds).wall_seconds == 0
  Journal(path, step=0, wall=day)
  assert summarize(read(path)).goodput == 0
  assert summarize(read(path), now=day.seconds + 5).downtime_seconds == 5


def test_a_summary_can_be_written_as_json(path: Path, day: Day) -> None:
  Journal(path, step=0, wall=day).progress(10, {"compute": 10})
  found = dataclasses.asdict(summarize(read(path)))
  assert json.loads(json.dumps(found)) == found


def test_a_folder_in_the_way_is_named(path: Path, day: Day) -> None:
  path.mkdir()
  with pytest.raises(UserError, match=r"goodput\.jsonl: expected a file .* Is a directory"):
    Journal(path, step=0, wall=day)


def test_no_folder_or_no_room_is_named(path: Path, day: Day) -> None:
  with pytest.raises(UserError, match=r"gone/goodput\.jsonl: expected to append .* No such file"):
    Journal(path.parent / "gone" / path.name, step=0, wall=day)
  path.symlink_to("/dev/full")
  if Path("/dev/full").exists():
    journal = Journal.__new__(Journal)
    journal.path, journal.attempt, journal._wall = path, 0, day
    with pytest.raises(UserError, match=r"No space left on device.* make room"):
      journal.end(3, "done", {})


ATTEMPTS = st.lists(
  st.tuples(
    st.floats(0, 1),  # where it goes on, as a part of what was reached
    st.integers(0, 9),  # downtime before it
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 9)), max_size=4),
  ),
  max_size=5,
)


@given(ATTEMPTS)
def test_steps_count_once_and_seconds_add_up(attempts: list[tuple[float, int, list]]) -> None:
  """Against a slow account of it, step by step."""
  records: list[goodput.Record] = []
  wall, reached = 0.0, 0
  took: dict[int, float] = {}
  spent, lost = 0.0, 0
  for number, (part, downtime, progress) in enumerate(attempts):
    step = int(part * reached)
    lost += sum(taken > step for taken in took)
    took = {taken: seconds for taken, seconds in took.items() if taken <= step}
    wall += downtime
    records.append({"event": "start", "attempt": number, "wall": wall, "step": step})
    for steps, compute, data in progress:
      for taken in range(step + 1, step + steps + 1):
        took[taken] = compute / steps
      step += steps
      wall += compute + data
      spent += compute
      seconds = {"compute": compute, "data": data}
      records.append(
        {"event": "progress", "attempt": number, "wall": wall, "step": step, "seconds": seconds}
      )
    reached = step
  found = summarize(records)
  assert found.compute_seconds == pytest.approx(sum(took.values()))
  assert found.lost_steps == lost
  assert found.seconds.get("compute", 0) == spent
  first = records[0]["wall"] if records else 0.0
  assert found.wall_seconds == pytest.approx(wall - first)
  assert 0 <= found.goodput <= 1
