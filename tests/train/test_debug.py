from pathlib import Path

import numpy as np

from llve_jax.train.debug import DebugBatch


def test_the_batch_is_saved_and_its_clips_are_named(tmp_path: Path) -> None:
  asked: list[int] = []

  def batch_at(number: int) -> dict[str, np.ndarray]:
    asked.append(number)
    return {"low": np.full((2, 3), 7.0), "id": np.array(["bikes/0/8", "bikes/0/16"])}

  message = DebugBatch(batch_at, tmp_path)(5)
  assert asked == [4]  # steps are counted from 1 in messages, batches from 0
  path = tmp_path / "debug_step_5.npz"
  assert f"{path}; its clips (name/variant/first frame): bikes/0/8, bikes/0/16" in message
  with np.load(path, allow_pickle=False) as saved:
    assert saved["id"].tolist() == ["bikes/0/8", "bikes/0/16"]
    np.testing.assert_array_equal(saved["low"], np.full((2, 3), 7.0))
  assert list(tmp_path.iterdir()) == [path]


def test_each_of_several_processes_keeps_its_part(tmp_path: Path) -> None:
  for process in (0, 1):
    DebugBatch(lambda number: {"low": np.zeros(2)}, tmp_path, process=process)(5)
  assert sorted(path.name for path in tmp_path.iterdir()) == [
    "debug_step_5_process_0.npz",
    "debug_step_5_process_1.npz",
  ]
