from pathlib import Path

import pytest

from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing


def test_a_file_appears_whole(tmp_path: Path) -> None:
  target = tmp_path / "out.txt"
  with replacing(target) as temporary:
    temporary.write_text("half")
    assert not target.exists()
    assert temporary.suffix == ".txt"
  assert target.read_text() == "half"
  assert list(tmp_path.iterdir()) == [target]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
  target = tmp_path / "out.txt"
  target.write_text("old")

  def fail() -> None:
    with replacing(target) as temporary:
      temporary.write_text("new")
      raise RuntimeError("in the middle")

  with pytest.raises(RuntimeError, match="in the middle"):
    fail()
  assert target.read_text() == "old"
  assert list(tmp_path.iterdir()) == [target]


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
  target = tmp_path / "model"
  for content in ("first", "second"):
    with replacing(target) as temporary:
      temporary.mkdir()
      (temporary / content).write_text(content)
  assert [path.name for path in target.iterdir()] == ["second"]
  assert list(tmp_path.iterdir()) == [target]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
  with pytest.raises(UserError, match="absent"), replacing(tmp_path / "absent" / "out.txt"):
    pass
