"""Win rates against numbers computed by hand."""

import itertools
from pathlib import Path

import pytest
from scipy import stats

from experiments.reporting import votes
from llve_jax.errors import UserError

HEAD = ",".join(votes.COLUMNS)
LINE = "s,v1,p001,clip,brightness,left,A,B,2026-01-01T00:00:00Z"


def write(path: Path, *lines: str, head: str = HEAD) -> Path:
  path.write_text("\n".join([head, *lines]) + "\n")
  return path


def test_wilson_by_hand_and_as_scipy_has_it():
  """8 of 10: z^2 = 3.8415; (0.8 + 0.19207 -+ 1.96 sqrt(0.016 + 0.0096)) / 1.38415."""
  low, high = votes.wilson(8, 10) or (0, 0)
  assert low == pytest.approx(0.4902, abs=1e-4)
  assert high == pytest.approx(0.9433, abs=1e-4)
  for wins, total in ((0, 7), (7, 7), (3, 11), (50, 99)):
    expected = stats.binomtest(wins, total).proportion_ci(0.95, method="wilson")
    assert votes.wilson(wins, total) == pytest.approx((expected.low, expected.high))
  assert votes.wilson(0, 0) is None


def test_rates_count_wins_whichever_side_they_stood_on(tmp_path: Path):
  file = write(
    tmp_path / "a.csv",
    LINE,
    "s,v1,p002,clip,brightness,right,A,B,t",
    "s,v1,p003,clip,brightness,right,B,A,t",
    "s,v1,p004,clip,brightness,same,B,A,t",
    "s,v1,p001,clip,clarity,same,A,B,t",
  )
  brightness, clarity = votes.rates(votes.read([file]))
  assert brightness == votes.Rate("brightness", "A", "B", wins=2, losses=1, same=1)
  assert brightness.share == pytest.approx(2 / 3)
  assert clarity.share is None
  assert clarity.interval is None


def test_pairs_of_two_studies_may_have_the_same_name(tmp_path: Path):
  file = write(tmp_path / "a.csv", LINE, LINE.replace("s,", "t,", 1))
  found = votes.read([file])
  assert [vote.study for vote in found] == ["s", "t"]
  assert "2 votes, 2 voter(s)" in votes.table(found)


def test_several_people_and_three_methods(tmp_path: Path):
  """A beats B and C; every voter says so of every pair, once with each side."""
  methods = ("A", "B", "C")
  files = []
  for voter in ("v1", "v2"):
    lines = [
      f"s,{voter},p{number},clip,colour,{'left' if left < right else 'right'},{left},{right},t"
      for number, (left, right) in enumerate(itertools.permutations(methods, 2))
    ]
    files.append(write(tmp_path / f"{voter}.csv", *lines))
  found = {(rate.method, rate.other): rate for rate in votes.rates(votes.read(files))}
  assert found["A", "B"] == votes.Rate("colour", "A", "B", 4, 0, 0)
  assert found["B", "all others"] == votes.Rate("colour", "B", "all others", 4, 4, 0)
  assert found["C", "all others"].share == 0.0
  text = votes.table(votes.read(files))
  # Wilson's interval of 4 of 8.
  assert "| colour | B | all others | 4 | 4 | 0 | 50% | 22% to 78% |" in text
  assert "12 votes, 2 voter(s), 1 clip(s)." in text


def test_all_others_are_counted_from_either_side_of_a_pair():
  pairs = [
    votes.Rate("colour", "A", "B", wins=5, losses=2, same=1),
    votes.Rate("colour", "A", "C", wins=10, losses=20, same=30),
    votes.Rate("colour", "B", "C", wins=7, losses=3, same=4),
  ]
  expected = votes.Rate("colour", "B", "all others", wins=2 + 7, losses=5 + 3, same=1 + 4)
  assert votes.against_all("B", pairs) == expected


@pytest.mark.parametrize(
  ("lines", "message"),
  [
    ([LINE, "s,v1,p002,clip,brightness,left,A"], r"a\.csv, line 3: expected 9 fields, found 7"),
    ([LINE.replace("left", "middle")], "line 2: choice is 'middle'; expected one of left, same"),
    ([LINE.replace("brightness", "taste")], "line 2: criterion is 'taste'"),
    ([LINE.replace(",B,", ",A,")], "line 2: A stands on both sides"),
    ([LINE.replace("v1", "")], "line 2: voter is empty"),
    ([LINE, LINE], r"line 3: voter v1 on pair p001, brightness, stands in .*a\.csv, line 2"),
    (['s,"v1'], "line 2: not CSV"),
    ([], "no vote"),
  ],
)
def test_malformed_files_are_refused_with_the_line(lines, message, tmp_path: Path):
  with pytest.raises(UserError, match=message):
    votes.read([write(tmp_path / "a.csv", *lines)])


def test_other_files_are_refused(tmp_path: Path):
  with pytest.raises(UserError, match="line 1: column voter, pair is missing"):
    votes.read([write(tmp_path / "a.csv", head="study,clip,criterion,choice,left,right,time")])
  with pytest.raises(UserError, match="no such file"):
    votes.read([tmp_path / "b.csv"])
  (tmp_path / "c.csv").write_bytes(b"\xff\xfe\x00\x01")
  with pytest.raises(UserError, match="not text in UTF-8"):
    votes.read([tmp_path / "c.csv"])


def test_a_file_that_a_spreadsheet_saved_is_read(tmp_path: Path):
  lines = [HEAD, LINE.replace("clip", '"clip, the second"')]
  (tmp_path / "a.csv").write_bytes(("\ufeff" + "\r\n".join(lines)).encode())
  (vote,) = votes.read([tmp_path / "a.csv"])
  assert vote.clip == "clip, the second"
  assert vote.winner == "A"
