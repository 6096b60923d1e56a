"""Votes that the page of a blind comparison exported -> win rates with confidence intervals."""

import collections
import csv
import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from experiments.reporting.measures import NOTHING
from llve_jax.errors import UserError

CRITERIA = ("brightness", "clarity", "colour", "steadiness")
CHOICES = ("left", "same", "right")
COLUMNS = ("study", "voter", "pair", "clip", "criterion", "choice", "left", "right", "time")
Z95 = 1.959963984540054  # quantile 0.975 of the normal distribution


@dataclasses.dataclass(frozen=True)
class Vote:
  """One choice of one person; fields as the columns of the CSV.

  Attributes:
    study: names the page; one study's clips and methods.
    voter: a random name of the person's browser.
    pair: names the two results that were compared.
    clip: which clip they show.
    criterion: one of `CRITERIA`.
    choice: one of `CHOICES`.
    left: method that stood on the left.
    right: method that stood on the right.
    time: of the vote, ISO 8601.
  """

  study: str
  voter: str
  pair: str
  clip: str
  criterion: str
  choice: str
  left: str
  right: str
  time: str

  @property
  def winner(self) -> str | None:
    """The method preferred; None if they were the same."""
    return {"left": self.left, "right": self.right, "same": None}[self.choice]


@dataclasses.dataclass(frozen=True)
class Rate:
  """How often `method` was preferred to `other` by one criterion."""

  criterion: str
  method: str
  other: str
  wins: int
  losses: int
  same: int

  @property
  def share(self) -> float | None:
    """Wins among the votes that prefer one; None if none does."""
    decided = self.wins + self.losses
    return self.wins / decided if decided else None

  @property
  def interval(self) -> tuple[float, float] | None:
    """Wilson's 95% interval of `share`."""
    return wilson(self.wins, self.wins + self.losses)


def wilson(wins: int, total: int) -> tuple[float, float] | None:
  """Wilson's score interval of 95% for a share, (low, high) in [0, 1]; None of no trial.

  (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n); Wilson, JASA 22 (1927) 209.
  """
  if total == 0:
    return None
  share, spread = wins / total, Z95 * Z95 / total
  middle = share + spread / 2
  width = Z95 * math.sqrt(share * (1 - share) / total + spread / (4 * total))
  low, high = (middle - width) / (1 + spread), (middle + width) / (1 + spread)
  return max(0.0, low), min(1.0, high)


def read(paths: Iterable[Path]) -> list[Vote]:
  """All votes of several files.

  Raises:
    UserError: no such file, a column is missing, a field is not what it may be, a vote was given
      twice, or no vote at all; the message has the line.
  """
  seen: dict[tuple[str, str, str, str], str] = {}
  votes: list[Vote] = []
  for path in paths:
    for line, vote in _file(path):
      key = (vote.study, vote.voter, vote.pair, vote.criterion)
      if key in seen:
        raise UserError(
          f"{path}, line {line}: voter {vote.voter} on pair {vote.pair}, {vote.criterion}, stands "
          f"in {seen[key]} already; give each person's last export once"
        )
      seen[key] = f"{path}, line {line}"
      votes.append(vote)
  if not votes:
    raise UserError("no vote in these files; export again after voting")
  return votes


def _file(path: Path) -> list[tuple[int, Vote]]:
  """Votes of one file with the number of their line."""
  expected = ",".join(COLUMNS)
  try:
    with open(path, newline="", encoding="utf-8-sig") as file:
      rows = csv.reader(file, strict=True)
      head = next(rows, [])
      if missing := [name for name in COLUMNS if name not in head]:
        raise UserError(
          f"{path}, line 1: column {', '.join(missing)} is missing; expected {expected}, as "
          "compare.html exports"
        )
      return [(rows.line_num, _vote(path, rows.line_num, head, row)) for row in rows if row]
  except FileNotFoundError:
    raise UserError(f"{path}: no such file; expected a CSV that compare.html exported") from None
  except csv.Error as error:
    raise UserError(f"{path}, line {rows.line_num}: not CSV ({error}); export it again") from None
  except UnicodeDecodeError:
    raise UserError(f"{path}: not text in UTF-8; expected a CSV of compare.html") from None


def _vote(path: Path, line: int, head: Sequence[str], row: Sequence[str]) -> Vote:
  where = f"{path}, line {line}"
  if len(row) != len(head):
    raise UserError(f"{where}: expected {len(head)} fields, found {len(row)}; export it again")
  fields = {name: value for name, value in zip(head, row, strict=True) if name in COLUMNS}
  for name, allowed in (("criterion", CRITERIA), ("choice", CHOICES)):
    if fields[name] not in allowed:
      raise UserError(f"{where}: {name} is {fields[name]!r}; expected one of {', '.join(allowed)}")
  if empty := [name for name in ("study", "voter", "pair", "left", "right") if not fields[name]]:
    raise UserError(f"{where}: {', '.join(empty)} is empty; export it again")
  if fields["left"] == fields["right"]:
    raise UserError(f"{where}: {fields['left']} stands on both sides; export it again")
  return Vote(**fields)


def rates(votes: Sequence[Vote]) -> list[Rate]:
  """For each criterion every two methods; of more than two, also each against all others."""
  methods = sorted({name for vote in votes for name in (vote.left, vote.right)})
  counts = collections.Counter(
    (vote.criterion, frozenset((vote.left, vote.right)), vote.winner) for vote in votes
  )
  found = []
  for criterion in CRITERIA:
    pairs = []
    for one, two in itertools.combinations(methods, 2):
      both = frozenset((one, two))
      wins, losses, same = (counts[criterion, both, winner] for winner in (one, two, None))
      if wins + losses + same:
        pairs.append(Rate(criterion, one, two, wins, losses, same))
    found += pairs
    if len(methods) > 2:
      found += [against_all(method, pairs) for method in methods if _has(method, pairs)]
  return found


def against_all(method: str, pairs: Sequence[Rate]) -> Rate:
  """A method against every other, from the rates of one criterion's pairs."""
  first = [rate for rate in pairs if rate.method == method]
  second = [rate for rate in pairs if rate.other == method]
  return Rate(
    pairs[0].criterion,
    method,
    "all others",
    sum(rate.wins for rate in first) + sum(rate.losses for rate in second),
    sum(rate.losses for rate in first) + sum(rate.wins for rate in second),
    sum(rate.same for rate in [*first, *second]),
  )


def _has(method: str, pairs: Sequence[Rate]) -> bool:
  return any(method in (rate.method, rate.other) for rate in pairs)


def table(votes: Sequence[Vote]) -> str:
  """The win rates as a Markdown table, with what they are below it."""
  voters = len({(vote.study, vote.voter) for vote in votes})
  lines = [
    "| criterion | method | against | preferred | other preferred | same | win rate | 95% |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
  ]
  for rate in rates(votes):
    share = interval = NOTHING
    if rate.share is not None and rate.interval is not None:
      low, high = rate.interval
      share, interval = f"{100 * rate.share:.0f}%", f"{100 * low:.0f}% to {100 * high:.0f}%"
    lines.append(
      f"| {rate.criterion} | {rate.method} | {rate.other} | {rate.wins} | {rate.losses} | "
      f"{rate.same} | {share} | {interval} |"
    )
  clips = len({vote.clip for vote in votes})
  lines += [
    "",
    f"{len(votes)} votes, {voters} voter(s), {clips} clip(s). Win rate: among votes that prefer "
    "one; its interval is Wilson's.",
    "It takes every vote for independent: votes of one person, or on one clip, are not, so with "
    "few of either the truth is wider.",
  ]
  return "\n".join(lines)
