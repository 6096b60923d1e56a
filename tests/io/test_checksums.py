import json
from pathlib import Path

import pytest

from llve_jax.io import checksums


@pytest.fixture
def folder(tmp_path: Path) -> Path:
  (tmp_path / "a" / "b").mkdir(parents=True)
  (tmp_path / "a" / "b" / "data").write_bytes(bytes(range(100)))
  (tmp_path / "note").write_text("text")
  (tmp_path / "changing").write_text("1")
  checksums.write(tmp_path, without=("changing",))
  return tmp_path


def test_a_folder_as_it_was_has_no_fault(folder: Path) -> None:
  (folder / "changing").write_text("2")
  (folder / "new").write_text("not listed")
  assert checksums.fault(folder) == ""
  listed = json.loads((folder / "manifest.json").read_text())["files"]
  assert listed["a/b/data"] == {"bytes": 100, "crc32": "58c932f5"}
  assert sorted(listed) == ["a/b/data", "note"]
  assert [path.name for path in folder.glob(".*")] == []


def test_a_shorter_file(folder: Path) -> None:
  (folder / "a" / "b" / "data").write_bytes(bytes(range(99)))
  expected = "a/b/data: expected 100 bytes with CRC32 58c932f5, found 99 bytes"
  assert checksums.fault(folder) == expected


def test_a_flipped_bit(folder: Path) -> None:
  flipped = bytearray(range(100))
  flipped[50] ^= 1
  (folder / "a" / "b" / "data").write_bytes(flipped)
  assert "a/b/data: expected 100 bytes with CRC32 58c932f5, found CRC32 " in checksums.fault(folder)


def test_missing_files_are_counted(folder: Path) -> None:
  (folder / "a" / "b" / "data").unlink()
  (folder / "note").unlink()
  fault = checksums.fault(folder)
  assert fault.startswith("a/b/data: expected 100 bytes")
  assert fault.endswith("found no such file (and 1 more files)")


def test_what_cannot_be_read_is_a_fault(folder: Path) -> None:
  (folder / "note").unlink()
  (folder / "note").mkdir()
  size = (folder / "note").stat().st_size
  listed = json.loads((folder / "manifest.json").read_text())
  listed["files"]["note"]["bytes"] = size
  (folder / "manifest.json").write_text(json.dumps(listed))
  assert "note: expected" in checksums.fault(folder)
  assert "cannot read it (Is a directory)" in checksums.fault(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"files": 3}', '{"files": {"note": {}}}', "\xff"])
def test_a_damaged_manifest_is_a_fault(folder: Path, text: str) -> None:
  (folder / "manifest.json").write_bytes(text.encode("latin-1"))
  assert checksums.fault(folder).startswith("manifest.json: expected a list of files in JSON")


def test_without_a_manifest(folder: Path) -> None:
  (folder / "manifest.json").unlink()
  with pytest.raises(FileNotFoundError):
    checksums.fault(folder)


def test_set_aside_names_do_not_collide(tmp_path: Path) -> None:
  names = []
  for number in range(3):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / str(number)).touch()
    names.append(checksums.set_aside(tmp_path / "7").name)
  assert names == ["7.corrupt", "7.corrupt.2", "7.corrupt.3"]
  assert (tmp_path / "7.corrupt.2" / "1").exists()


@pytest.mark.parametrize("stopped", [1, 2, 3])
@pytest.mark.parametrize("again", [1, 2, 3])
def test_replacements_that_are_cut_short_are_no_fault(
  stopped: int, again: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  """Three files are written: the list of both contents, the file, the list of the new one."""
  whole, left = checksums._written, 0

  def written(path: Path) -> object:
    nonlocal left
    left -= 1
    if not left:
      raise KeyboardInterrupt
    return whole(path)

  for stop, text in ((stopped, b"another text"), (again, b"one more")):
    left = stop
    with monkeypatch.context() as patch:
      patch.setattr(checksums, "_written", written)
      with pytest.raises(KeyboardInterrupt):
        checksums.replace(folder, "note", text)
    assert checksums.fault(folder) == ""
  checksums.replace(folder, "note", b"the third")
  assert checksums.fault(folder) == ""
  assert json.loads((folder / "manifest.json").read_text())["files"]["note"].keys() == {
    "bytes",
    "crc32",
  }
  (folder / "note").write_text("text")
  assert "note" in checksums.fault(folder)


def test_without_a_manifest_a_replacement_makes_none(tmp_path: Path) -> None:
  checksums.replace(tmp_path, "note", b"text")
  assert [path.name for path in tmp_path.iterdir()] == ["note"]
