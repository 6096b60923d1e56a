import pytest

from llve_jax.errors import UserError
from llve_jax.export import versions
from llve_jax.export.manifest import NAME


def version(base, name: str):
  (base / name).mkdir(parents=True)
  (base / name / NAME).touch()


def test_the_next_is_one_more_than_the_newest(tmp_path):
  with versions.next_version(tmp_path / "new") as path:
    path.mkdir()
    assert path == tmp_path / "new" / "1"
  for name in ("2", "10"):
    version(tmp_path / "base", name)
  with versions.next_version(tmp_path / "base") as path:
    assert path == tmp_path / "base" / "11"


def test_what_was_made_in_vain_goes_again(tmp_path):
  version(tmp_path / "base", "1")
  for name in ("new", "base"):
    with pytest.raises(UserError, match="bad weights"), versions.next_version(tmp_path / name):
      raise UserError("bad weights")
  assert [path.name for path in tmp_path.iterdir()] == ["base"]
  assert [path.name for path in (tmp_path / "base").iterdir()] == ["1"]


def test_only_versions_may_be_there(tmp_path, monkeypatch):
  (tmp_path / "file").touch()
  (tmp_path / "photos" / "2019").mkdir(parents=True)  # a number, but no export
  for name, message in (
    ("file", "found a file"),
    ("photos", "found 2019 in it"),
    ("missing/base", "does not exist; create it first"),
  ):
    with pytest.raises(UserError, match=message), versions.next_version(tmp_path / name):
      pass
  monkeypatch.setattr(versions.Path, "mkdir", read_only)
  with pytest.raises(UserError, match="cannot be made: Permission denied"):
    versions.next_version(tmp_path / "new").__enter__()
  assert not (tmp_path / "new").exists()


def read_only(*_, **__):
  """Stands for a folder that may not be written to, since root may write anywhere."""
  raise PermissionError(13, "Permission denied")
