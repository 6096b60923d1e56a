"""Does the order of our rows agree with the published order? Said from the numbers alone.

A pair of rows is undecided where our means differ by no more than the sum of both spreads: the
bars "mean +- spread" touch. Kendall's tau (Kendall 1938, tau-a) is (pairs in the same order - pairs
in the opposite order) / pairs, of the means, whatever their spread.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

from experiments.reporting.measures import Summary, measure


@dataclasses.dataclass(frozen=True)
class Ranking:
  """Our order of rows beside the published one.

  Attributes:
    agreed: pairs (better, worse) of rows, as published and as we find.
    opposed: pairs (better, worse) as published, which we find the other way round.
    undecided: pairs (better, worse) as published, whose difference is within our spread.
    tau: Kendall's; None of less than two rows.
    single: whether a row has one run only, so that its spread is not known.
  """

  agreed: Sequence[tuple[str, str]]
  opposed: Sequence[tuple[str, str]]
  undecided: Sequence[tuple[str, str]]
  tau: float | None
  single: bool


def rank(
  ours: Mapping[str, Summary],
  published: Mapping[str, float],
  *,
  ours_better: str = "higher",
  published_better: str = "higher",
) -> Ranking:
  """Compares the order of the rows that both have; equal published figures make no pair."""
  rows = [row for row in ours if row in published]
  agreed: list[tuple[str, str]] = []
  opposed: list[tuple[str, str]] = []
  undecided: list[tuple[str, str]] = []
  balance = 0
  for first, second in itertools.combinations(rows, 2):
    if published[first] == published[second]:
      continue
    above = (published[first] > published[second]) == (published_better == "higher")
    pair = (first, second) if above else (second, first)
    margin = ours[pair[0]].mean - ours[pair[1]].mean
    if ours_better == "lower":
      margin = -margin
    balance += (margin > 0) - (margin < 0)
    if not abs(margin) > sum(ours[row].spread or 0.0 for row in pair):  # also inf - inf
      undecided.append(pair)
    else:
      (agreed if margin > 0 else opposed).append(pair)
  count = len(agreed) + len(opposed) + len(undecided)
  single = any(ours[row].spread is None for row in rows)
  return Ranking(agreed, opposed, undecided, balance / count if count else None, single)


def sentence(
  ranking: Ranking, labels: Mapping[str, str], ours: str, published: str, missing: Sequence[str]
) -> str:
  """What the comparison found, in words.

  Args:
    ranking: what `rank` found.
    labels: row -> what it is called.
    ours: our metric.
    published: the published metric.
    missing: rows that were published and of which we have no figure.
  """
  name = measure(ours).label.split(",")[0]
  if ours != published:
    name += f" (published: {measure(published).label.split(',')[0]})"
  left_out = f" Not compared: {_listed([labels[row] for row in missing])}." if missing else ""
  if ranking.tau is None:
    return f"{name}: fewer than two rows have both figures, so there is no order yet.{left_out}"
  total = len(ranking.agreed) + len(ranking.opposed) + len(ranking.undecided)
  parts = [f"{len(ranking.agreed)} of {total} {_pairs(total)} in the published order"]
  for word, pairs in (("the other way round", ranking.opposed), ("undecided", ranking.undecided)):
    if pairs:
      shown = _listed([f"{labels[better]} over {labels[worse]}" for better, worse in pairs])
      parts.append(f"{len(pairs)} {word} (published: {shown})")
  text = f"{name}: {'; '.join(parts)}. Kendall's tau of the means: {ranking.tau:+.2f}."
  if ranking.single:
    text += " Some rows have a single run: chance is not ruled out."
  return text + left_out


def _pairs(count: int) -> str:
  return "pair" if count == 1 else "pairs"


def _listed(parts: Sequence[str]) -> str:
  return ", ".join(parts)
