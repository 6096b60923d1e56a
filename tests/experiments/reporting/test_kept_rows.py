import os

import pytest

from experiments.reporting import kept_rows

ROW = {"pairs": {"PSNR": 20.5}}


def _never():
  raise AssertionError("made again")


def test_a_row_is_made_once(tmp_path):
  file = tmp_path / "rows" / "a.json"
  assert kept_rows.kept(file, {"weights": "1", "size": (3, 4)}, lambda: ROW) == ROW
  assert kept_rows.kept(file, {"weights": "1", "size": (3, 4)}, _never) == ROW
  assert kept_rows.kept(file, {"weights": "2", "size": (3, 4)}, dict) == {}
  with pytest.raises(AssertionError):
    kept_rows.kept(file, {"weights": "1", "size": (3, 4)}, _never)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"of": {"weights": "1"}}'])
def test_what_is_no_row_is_made_again(tmp_path, content):
  (tmp_path / "a.json").write_text(content)
  assert kept_rows.kept(tmp_path / "a.json", {"weights": "1"}, lambda: ROW) == ROW
  assert kept_rows.kept(tmp_path / "a.json", {"weights": "1"}, _never) == ROW


def test_digests_tell_files_and_folders_apart(tmp_path):
  (tmp_path / "low").mkdir()
  file = tmp_path / "low" / "a.png"
  file.write_bytes(b"1")
  before = kept_rows.digest(file), kept_rows.digest(tmp_path)
  assert before == (kept_rows.digest(file), kept_rows.digest(tmp_path))
  file.write_bytes(b"22")
  assert kept_rows.digest(file) != before[0]
  assert kept_rows.digest(tmp_path) != before[1]
  before = kept_rows.digest(file), kept_rows.digest(tmp_path)
  os.utime(file, (0, 0))  # as where other content of the same length was written
  assert kept_rows.digest(file) == before[0]
  assert kept_rows.digest(tmp_path) != before[1]
