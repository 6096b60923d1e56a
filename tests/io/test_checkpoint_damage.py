"""Checkpoints of which files were lost or changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llve_jax.errors import UserError
from llve_jax.io.checkpoint import Checkpoints
from tests.io.checkpoint_run import names, read, stream, tree, write


def largest(folder: Path) -> Path:
  """The file with the values of the table."""
  files = (folder / "state" / "ocdbt.process_0" / "d").iterdir()
  return max(files, key=lambda path: path.stat().st_size)


def truncate(folder: Path) -> str:
  path = largest(folder)
  content = path.read_bytes()
  path.write_bytes(content[: len(content) // 2])
  return f"{path.relative_to(folder)}: expected {len(content)} bytes"


def flip(folder: Path) -> str:
  path = largest(folder)
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 16
  path.write_bytes(content)
  return f"{path.relative_to(folder)}: expected {len(content)} bytes with CRC32"


def remove(folder: Path) -> str:
  (folder / "state" / "_METADATA").unlink()
  return "state/_METADATA: expected"


def garble(folder: Path) -> str:
  path = folder / "run" / "run.json"
  path.write_bytes(b"\xff" * path.stat().st_size)
  return "run/run.json: expected"


def garble_manifest(folder: Path) -> str:
  (folder / "manifest.json").write_text("garbage")
  return "manifest.json: expected a list of files"


def forget_and_truncate(folder: Path) -> str:
  (folder / "manifest.json").unlink()
  truncate(folder)
  return "expected a checkpoint that can be read, found "


def forget_and_remove(folder: Path) -> str:
  (folder / "manifest.json").unlink()
  remove(folder)
  return "expected a checkpoint that can be read, found "


def forget_and_garble(folder: Path) -> str:
  (folder / "manifest.json").unlink()
  garble(folder)
  return "expected a checkpoint that can be read, found UnicodeDecodeError"


def empty(folder: Path) -> str:
  """As when a deletion was cut short."""
  for path in sorted(folder.rglob("*"), reverse=True):
    path.unlink() if path.is_file() else path.rmdir()
  return "expected a checkpoint that can be read, found "


DAMAGES = [
  truncate,
  flip,
  remove,
  garble,
  garble_manifest,
  forget_and_truncate,
  forget_and_remove,
  forget_and_garble,
  empty,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
  tmp_path: Path, damage: Callable[[Path], str], capfd: pytest.CaptureFixture[str]
) -> None:
  write(tmp_path, 1, 2, 3)
  what = damage(tmp_path / "3")
  capfd.readouterr()
  assert read(tmp_path) == 2
  out, err = capfd.readouterr()
  assert out.startswith(f"{tmp_path / '3'}: damaged: {what}")
  assert out.endswith("; set aside as 3.corrupt, going on from step 2\n")
  assert out.count("\n") == 1
  assert err == ""
  assert names(tmp_path) == ["1", "2", "3.corrupt"]

  # The step is saved again, and spoiled again.
  checkpoints = Checkpoints(tmp_path)
  checkpoints.restore(tree(), stream())
  checkpoints.save(3, tree(3), stream(), {"step": 3})
  checkpoints.close()
  assert read(tmp_path) == 3
  damage(tmp_path / "3")
  assert read(tmp_path) == 2
  assert names(tmp_path) == ["2", "3.corrupt", "3.corrupt.2"]


def test_several_damaged_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
  write(tmp_path, 1, 2, 3)
  truncate(tmp_path / "3")
  garble(tmp_path / "2")
  assert read(tmp_path) == 1
  assert names(tmp_path) == ["1", "2.corrupt", "3.corrupt"]
  assert capsys.readouterr().out.count("going on from step 1\n") == 2


def test_none_left_is_an_error_however_often(tmp_path: Path) -> None:
  write(tmp_path, 1, 2)
  truncate(tmp_path / "2")
  garble(tmp_path / "1")
  for _ in range(2):
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest == 2
    with pytest.raises(UserError) as error:
      checkpoints.restore(tree(), stream())
    message = str(error.value)
    assert f"{tmp_path}: none of its checkpoints is whole: 2: state/ocdbt" in message
    assert "; 1: run/run.json: expected" in message
    assert "--workdir" in message
    assert names(tmp_path) == ["1", "2"]


def test_a_checkpoint_without_a_manifest_is_tried(tmp_path: Path) -> None:
  write(tmp_path, 1, 2)
  (tmp_path / "2" / "manifest.json").unlink()
  assert read(tmp_path) == 2


def test_lack_of_memory_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
  def read_nothing(*_: Any) -> None:
    raise MemoryError

  write(tmp_path, 1, 2)
  (tmp_path / "1" / "manifest.json").unlink()
  (tmp_path / "2" / "manifest.json").unlink()
  checkpoints = Checkpoints(tmp_path)
  monkeypatch.setattr(checkpoints, "_read", read_nothing)
  with pytest.raises(MemoryError):
    checkpoints.restore(tree(), stream())
  assert names(tmp_path) == ["1", "2"]


def test_an_error_with_whole_files_is_no_damage(
  tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  def fail(*_: Any) -> None:
    raise KeyError("a bug")

  write(tmp_path, 1, 2)
  checkpoints = Checkpoints(tmp_path)
  monkeypatch.setattr(checkpoints, "_read", fail)
  with pytest.raises(KeyError):
    checkpoints.restore(tree(), stream())
  assert names(tmp_path) == ["1", "2"]
