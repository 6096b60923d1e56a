import os

import pytest

from llve_jax.enhance.files import Enhanced, check_paths
from llve_jax.errors import UserError


def test_the_rate_is_that_of_the_frames_of_this_run(tmp_path):
  enhanced = Enhanced(tmp_path / "a.mp4", 36, 64, 48, 2.0, before=24)
  assert enhanced.rate == 6.0
  assert "24 of them before in 2.0 s (6.0 frames/s)" in str(enhanced)


class TestPaths:
  @pytest.fixture(autouse=True)
  def _files(self, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "a.png", "b.png"):
      (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.png").mkdir()

  def test_kinds(self):
    assert check_paths("a.mp4", "b.mkv") == "video"
    assert check_paths("a.png", "c.JPG") == "image"
    assert check_paths("a.png", "b.png") == "image"  # overwrites another file

  @pytest.mark.parametrize(
    ("source", "target", "message"),
    [
      ("no.mp4", "b.mp4", r"no\.mp4: .* found no such file"),
      ("a.mp4", "b.png", r"kind 'video', b\.png one of the kind 'image'"),
      ("a.png", "b.mp4", r"kind 'image', b\.mp4 one of the kind 'video'"),
      ("a.txt", "b.mp4", r"a\.txt: unknown suffix '\.txt'.*\.png.*\.mp4"),
      ("a.mp4", "b.txt", r"b\.txt: unknown suffix '\.txt'"),
      ("a.mp4", "b", r"b: unknown suffix ''"),
      ("a.mp4", "b.wmv", r"cannot write a video with the suffix '\.wmv'"),
      ("folder", "b.png", "folder: is a folder; give one image or video"),
      ("a.png", "folder", r"is a folder; name the file to write, say folder/a\.png"),
      ("a.png", "folder.png", "is a folder; name the file to write"),
      ("a.png", "no/b.png", "the folder no does not exist; create it first"),
      ("a.png", "a.png", "is the input itself"),
      ("a.png", "./folder/../a.png", "is the input itself"),
    ],
  )
  def test_bad(self, source, target, message):
    with pytest.raises(UserError, match=message):
      check_paths(source, target)

  @pytest.mark.parametrize("link", [os.symlink, os.link])
  def test_links_to_the_input(self, link):
    link("a.png", "link.png")
    with pytest.raises(UserError, match="is the input itself"):
      check_paths("a.png", "link.png")
    with pytest.raises(UserError, match="is the input itself"):
      check_paths("link.png", "a.png")

  def test_absolute_against_relative(self, tmp_path):
    with pytest.raises(UserError, match="is the input itself"):
      check_paths("a.mp4", tmp_path / "a.mp4")
