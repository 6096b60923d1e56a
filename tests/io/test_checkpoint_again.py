"""A step that is saved already is saved again, with other values beside the arrays."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from llve_jax.errors import UserError
from llve_jax.io import checksums
from llve_jax.io.checkpoint import Checkpoints
from tests.io.checkpoint_run import names, stream, tree

OLD, NEW = {"evaluation": "pending"}, {"evaluation": "done", "history": [1.5, 2]}


def save(checkpoints: Checkpoints, step: int, memory: dict, score: float | None = None) -> None:
  checkpoints.save(step, tree(step), stream(), memory, score=score)


def memory(folder: Path, step: int) -> dict[str, Any]:
  """That of the checkpoint restored; it is of this step, and nothing is damaged."""
  checkpoints = Checkpoints(folder)
  state, found = checkpoints.restore(tree(0), stream())
  assert float(state["net"]["kernel"][0, 1]) == checkpoints.latest == step
  checkpoints.close()
  assert not list(folder.glob("*.corrupt"))
  assert not list(folder.rglob(".*"))
  return found


def listed(folder: Path) -> dict[str, Any]:
  entry: dict[str, Any] = json.loads((folder / "manifest.json").read_text())["files"][
    "run/run.json"
  ]
  return entry


@pytest.mark.parametrize("reopened", [False, True])
def test_the_new_memory_and_place_come_back(tmp_path: Path, reopened: bool) -> None:
  checkpoints = Checkpoints(tmp_path)
  save(checkpoints, 3, OLD)
  if reopened:
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path)
  iterator = stream()
  following = [next(iterator), next(iterator)][1:]
  iterator = stream()
  next(iterator)
  checkpoints.save(3, tree(3), iterator, NEW)
  checkpoints.close()
  assert memory(tmp_path, 3) == NEW
  again = stream()
  Checkpoints(tmp_path).restore(tree(0), again)
  assert [next(again)] == following
  assert sorted(listed(tmp_path / "3")) == ["bytes", "crc32"]
  # The new ones are watched as the old ones were.
  (tmp_path / "3" / "run" / "run.json").write_text(json.dumps(NEW).replace("done", "gone"))
  assert "run/run.json: expected" in checksums.fault(tmp_path / "3")


def test_equal_values_are_not_written_again(tmp_path: Path) -> None:
  checkpoints = Checkpoints(tmp_path)
  save(checkpoints, 3, NEW, 2.0)
  checkpoints.wait()
  before = (tmp_path / "3" / "run" / "run.json").stat()
  save(checkpoints, 3, NEW, 2.0)
  checkpoints.close()
  after = (tmp_path / "3" / "run" / "run.json").stat()
  assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("reopened", [False, True])
def test_the_new_score_decides_what_stays(tmp_path: Path, reopened: bool) -> None:
  checkpoints = Checkpoints(tmp_path, keep=1, keep_best=True)
  save(checkpoints, 1, OLD, 20.0)
  save(checkpoints, 2, OLD)
  save(checkpoints, 2, NEW, 30.0)
  if reopened:
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path, keep=1, keep_best=True)
  save(checkpoints, 3, OLD, 25.0)
  save(checkpoints, 4, OLD)
  checkpoints.close()
  assert names(tmp_path) == ["2", "4"]


class Killed(BaseException):
  pass


@pytest.mark.parametrize(
  ("done", "times", "expected"), [(0, 1, OLD), (0, 2, OLD), (1, 1, OLD), (1, 2, OLD), (2, 1, NEW)]
)
def test_a_kill_between_two_files_leaves_it_whole(
  tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int, times: int, expected: dict
) -> None:
  checkpoints = Checkpoints(tmp_path)
  save(checkpoints, 2, {"other": 2})
  save(checkpoints, 3, OLD)
  checkpoints.wait()
  left, replace = 0, os.replace

  def counted(source: Any, target: Any) -> None:
    nonlocal left
    if left == 0:
      raise Killed
    left -= 1
    replace(source, target)

  for _ in range(times):
    left = done
    with monkeypatch.context() as patch:
      patch.setattr(os, "replace", counted)
      patch.setattr(Path, "unlink", lambda *_, **__: None)  # the dead clean up nothing
      with pytest.raises(Killed):
        save(checkpoints, 3, NEW)
    assert list((tmp_path / "3").rglob(".*.part.json"))
    assert checksums.fault(tmp_path / "3") == ""
  assert memory(tmp_path, 3) == expected
  checkpoints = Checkpoints(tmp_path)
  assert not list(tmp_path.rglob(".*.part.json"))  # what the dead have left is gone
  save(checkpoints, 3, NEW | {"more": 1})
  checkpoints.close()
  assert memory(tmp_path, 3) == NEW | {"more": 1}
  assert sorted(listed(tmp_path / "3")) == ["bytes", "crc32"]


def test_other_contents_are_damage_even_between(
  tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  (tmp_path / "run").mkdir()
  (tmp_path / "run" / "run.json").write_text("old")
  checksums.write(tmp_path)
  monkeypatch.setattr(checksums, "_put", lambda folder, files: stored.append(files))
  stored: list[dict] = []
  checksums.replace(tmp_path, "run/run.json", b"new")
  between = {"files": stored[0]}
  (tmp_path / "manifest.json").write_text(json.dumps(between))
  for text, whole in (("old", True), ("new", True), ("odd", False), ("", False)):
    (tmp_path / "run" / "run.json").write_text(text)
    assert (checksums.fault(tmp_path) == "") is whole


def test_a_checkpoint_without_a_manifest(tmp_path: Path) -> None:
  checkpoints = Checkpoints(tmp_path)
  save(checkpoints, 3, OLD)
  checkpoints.wait()
  (tmp_path / "3" / "manifest.json").unlink()
  save(checkpoints, 3, NEW)
  checkpoints.close()
  assert memory(tmp_path, 3) == NEW
  assert not (tmp_path / "3" / "manifest.json").exists()


@pytest.mark.parametrize("text", ["garbage", "{}", '{"files": {}}'])
def test_a_damaged_manifest_is_named(tmp_path: Path, text: str) -> None:
  checkpoints = Checkpoints(tmp_path)
  save(checkpoints, 3, OLD)
  checkpoints.wait()
  (tmp_path / "3" / "manifest.json").write_text(text)
  with pytest.raises(
    UserError, match=r"manifest\.json: expected a list of files with run/run\.json"
  ):
    save(checkpoints, 3, NEW)
  checkpoints.close()


def test_a_full_disk_leaves_the_values_of_before(
  tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  def full(_: int) -> None:
    raise OSError(28, "No space left on device")

  checkpoints = Checkpoints(tmp_path, keep_best=True)
  save(checkpoints, 3, OLD, 1.0)
  checkpoints.wait()
  with monkeypatch.context() as patch:
    patch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"run.json: cannot be replaced \(No space left on device"):
      save(checkpoints, 3, NEW, 2.0)
  checkpoints.close()
  assert memory(tmp_path, 3) == OLD


def test_it_waits_for_the_save_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
  write, go_on = checksums.write, threading.Event()

  def slow(*args: Any, **options: Any) -> None:
    assert go_on.wait(20)
    write(*args, **options)

  monkeypatch.setattr(checksums, "write", slow)
  checkpoints = Checkpoints(tmp_path)
  save(checkpoints, 3, OLD)
  timer = threading.Timer(0.5, go_on.set)
  timer.start()
  save(checkpoints, 3, NEW)
  assert go_on.is_set()
  checkpoints.close()
  assert memory(tmp_path, 3) == NEW
