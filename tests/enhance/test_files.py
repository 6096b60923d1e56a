import os

import numpy as np
import pytest

from llve_jax.enhance.files import check_paths, enhance_image
from llve_jax.errors import UserError
from llve_jax.io.images import read_image
from llve_jax.methods.method import Method


class Function(Method):
  """A method that is a function of the stream."""

  def __init__(self, function):
    self.name, self._function = "brighter", function

  def stream(self, frames, *, rounded=True):
    assert rounded
    return self._function(iter(frames))


@Function
def brighter(frames):
  """Reads ahead by three frames, as a network with batches does."""
  held = []
  for frame in frames:
    held.append(frame)
    if len(held) == 3:
      yield 255 - held.pop(0) // 2
  yield from (255 - frame // 2 for frame in held)


def test_image(odd_frames, tmp_path):
  enhanced = enhance_image(odd_frames[0], tmp_path / "out.png", brighter)
  np.testing.assert_array_equal(read_image(tmp_path / "out.png"), 255 - odd_frames[0] // 2)
  assert str(enhanced).startswith("1 frame of 67x45")


def test_side_by_side_image(odd_frames, tmp_path):
  enhance_image(odd_frames[0], tmp_path / "out.png", brighter, side_by_side=True)
  both = read_image(tmp_path / "out.png")
  np.testing.assert_array_equal(both[:, :67], odd_frames[0])
  np.testing.assert_array_equal(both[:, 67:], 255 - odd_frames[0] // 2)


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
