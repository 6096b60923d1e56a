"""The folder of parts: what is taken up, and what is not."""

from pathlib import Path

import numpy as np
import pytest

from llve_jax.enhance.kept_parts import KeptParts, folder_of
from llve_jax.errors import UserError

RUN = {"model": "gamma", "size": (1, 2)}


def fill(target: Path, count: int, run: dict[str, object] = RUN) -> KeptParts:
  with KeptParts(target, run) as kept:
    for index in range(kept.count, count):
      kept.add({"data": np.full(3, index)}, {"read": index})
  return kept


@pytest.mark.parametrize("stem", ["out", "out [1]"])
def test_parts_are_there_again(tmp_path: Path, stem: str) -> None:
  target = tmp_path / f"{stem}.mp4"
  fill(target, 2)
  with KeptParts(target, RUN) as kept:
    assert (kept.count, kept.state) == (2, {"read": 1})
    assert [part["data"][0] for part in kept.parts()] == [0, 1]
    names = sorted(path.name for path in kept.folder.iterdir())
    assert names == [
      "000000.packets.npz", "000001.packets.npz", "000001.state.npz", "lock", "run.json"
    ]  # fmt: skip
    (tmp_path / f".{stem}.123.part.mp4").touch()
    (tmp_path / ".other.123.part.mp4").touch()
    kept.remove()
  assert [path.name for path in tmp_path.iterdir()] == [".other.123.part.mp4"]


def test_those_of_another_run_are_thrown_away(tmp_path: Path) -> None:
  fill(tmp_path / "out.mp4", 2)
  with KeptParts(tmp_path / "out.mp4", RUN | {"model": "clahe"}) as kept:
    assert (kept.count, kept.state) == (0, None)
    assert sorted(path.name for path in kept.folder.iterdir()) == ["lock", "run.json"]
  assert not folder_of(tmp_path / "out.mp4").exists()  # nothing was done


@pytest.mark.parametrize("damaged", ["000002.state.npz", "000001.packets.npz", "run.json"])
def test_what_is_damaged_is_no_part(tmp_path: Path, damaged: str) -> None:
  target = tmp_path / "out.mp4"
  fill(target, 3)
  path = folder_of(target) / damaged
  path.write_bytes(path.read_bytes()[:20])
  assert fill(target, 1).count in (0, 1)


def test_a_folder_is_of_one_process(tmp_path: Path) -> None:
  target = tmp_path / "out.mp4"
  with KeptParts(target, RUN), pytest.raises(UserError, match="another process writes this"):
    KeptParts(target, RUN).__enter__()
  with pytest.raises(UserError, match="cannot be made"):
    KeptParts(tmp_path / "no" / "out.mp4", RUN).__enter__()
