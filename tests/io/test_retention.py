import math
from pathlib import Path
from typing import Any

import grain
import jax.numpy as jnp
import pytest

from llve_jax.errors import UserError
from llve_jax.io.checkpoint import Checkpoints


def save(checkpoints: Checkpoints, step: int, score: float | None) -> None:
  iterator = iter(grain.MapDataset.range(9).to_iter_dataset())
  checkpoints.save(step, {"x": jnp.float32(step)}, iterator, {}, score=score)
  assert checkpoints.latest == step


def names(folder: Path) -> list[str]:
  return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
  ("options", "kept"),
  [
    ({"keep": 1}, {9}),
    ({"keep": 2}, {8, 9}),
    ({"keep": 1, "keep_every": 4}, {4, 8, 9}),
    ({"keep": 1, "keep_best": True}, {5, 9}),
    ({"keep": 2, "keep_every": 3, "keep_best": True}, {3, 5, 6, 8, 9}),
  ],
)
def test_what_stays(tmp_path: Path, options: dict[str, Any], kept: set[int]) -> None:
  scores = {2: 20.0, 4: 21.0, 5: 22.5, 6: math.nan, 7: 22.0, 8: math.inf}
  for steps in (range(1, 4), range(4, 8), range(8, 10)):  # the scores outlive a restart
    checkpoints = Checkpoints(tmp_path, **options)
    for step in steps:
      save(checkpoints, step, scores.get(step))
    checkpoints.close()
  assert names(tmp_path) == sorted(str(step) for step in kept)


def test_the_newest_of_equal_scores_is_the_best(tmp_path: Path) -> None:
  checkpoints = Checkpoints(tmp_path, keep=1, keep_best=True)
  for step, score in ((1, 7.0), (2, 7.0), (3, 6.0), (4, None)):
    save(checkpoints, step, score)
  checkpoints.close()
  assert names(tmp_path) == ["2", "4"]


@pytest.mark.parametrize("options", [{"keep": 0}, {"keep_every": -1}])
def test_what_cannot_stay(tmp_path: Path, options: dict[str, Any]) -> None:
  with pytest.raises(UserError, match="expected to keep at least the newest"):
    Checkpoints(tmp_path, **options)


def test_a_score_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
  checkpoints = Checkpoints(tmp_path, keep=2, keep_best=True)
  save(checkpoints, 1, 30.0)
  save(checkpoints, 2, 20.0)
  checkpoints.close()
  (tmp_path / "1" / "run" / "run.json").write_text("garbage")
  checkpoints = Checkpoints(tmp_path, keep=1, keep_best=True)
  save(checkpoints, 3, 10.0)
  checkpoints.close()
  assert names(tmp_path) == ["2", "3"]
