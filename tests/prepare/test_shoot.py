import pytest

from llve_jax.errors import UserError
from llve_jax.prepare.shoot import find_scenes


def _touch(root, *names):
  for name in names:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).touch()


def _find(root, mode="turntable", **options):
  return find_scenes(root, mode, out=root / "out", **options)


def test_scenes_and_the_order_of_stills(tmp_path):
  stills = [f"b/stills/{number}.JPG" for number in (10, 9, 1)]
  _touch(tmp_path, "b/pan.MOV", *stills, "b/stills/.hidden.jpg", "b/notes.txt")
  _touch(tmp_path, "a/pan.mp4", "a/0.png", "out/x/pan.mp4", ".git/pan.mp4", "empty/readme.txt")
  first, second = _find(tmp_path)
  assert (first.name, second.name) == ("a", "b")
  assert [path.name for path in first.high] == ["0.png"]
  assert [path.name for path in second.high] == ["1.JPG", "9.JPG", "10.JPG"]
  assert [path.name for path in second.low] == ["pan.MOV"]


def test_the_folder_may_be_one_scene(tmp_path):
  _touch(tmp_path, "lamp/pan.mp4", "lamp/stills/0.png")
  (scene,) = _find(tmp_path / "lamp")
  assert scene.name == "lamp"
  _touch(tmp_path, "s/short/0.dng", "s/long/0.dng")
  (static,) = _find(tmp_path / "s", "static")
  assert [len(static.low), len(static.high)] == [1, 1]


def test_beam_splitter_and_static_sides(tmp_path):
  _touch(tmp_path, "beam/Dark_1.mkv", "beam/high.mkv")
  (scene,) = _find(tmp_path, "beam_splitter")
  assert [path.name for path in (*scene.low, *scene.high)] == ["Dark_1.mkv", "high.mkv"]


@pytest.mark.parametrize(
  "names", [("LOW.MP4", "HIGH.MP4"), ("DARK.mov", "BRIGHT.mov"), ("Low_1.mkv", "High_1.mkv")]
)
def test_cameras_write_names_in_capitals(tmp_path, names):
  _touch(tmp_path, *(f"beam/{name}" for name in names))
  (scene,) = _find(tmp_path, "beam_splitter")
  assert tuple(path.name for path in (*scene.low, *scene.high)) == names


BAD = {
  "nothing": ([], "turntable", r"expected scenes, found none; a shoot looks like\n.*SCENE/"),
  "no video": (["a/stills/0.png"], "turntable", "a: expected one video of the pan, found none"),
  "two videos": (
    ["a/1.mp4", "a/2.mp4", "a/0.png"],
    "turntable",
    r"expected one video of the pan, found 1\.mp4, 2\.mp4",
  ),
  "no stills": (["a/1.mp4"], "turntable", r"a: expected bright stills \(\.png .*found none"),
  "empty stills": (["a/1.mp4", "a/stills/x.txt"], "turntable", r"stills: expected bright stills"),
  "no high": (["a/low.mp4"], "beam_splitter", r"one video named high\* or bright\*, found none"),
  "two lows": (
    ["a/low.mp4", "a/dark.mp4", "a/high.mp4"],
    "beam_splitter",
    r"one video named low\* or dark\*, found dark\.mp4, low\.mp4",
  ),
  "no long": (["a/short/0.dng"], "static", "long: expected one raw frame.*found none"),
  "no short": (["a/long/0.dng"], "static", "short: expected raw frames.*found none"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_missing_is_said(tmp_path, case):
  names, mode, message = BAD[case]
  _touch(tmp_path, *names)
  with pytest.raises(UserError, match=f"(?s){message}"):
    _find(tmp_path, mode)


def test_incomplete_scenes_can_be_listed_instead(tmp_path):
  _touch(tmp_path, "a/1.mp4", "b/1.mp4", "b/0.png")
  broken, whole = _find(tmp_path, on_error="skip")
  assert "expected bright stills" in broken.problem
  assert not whole.problem


def test_no_such_folder(tmp_path):
  with pytest.raises(UserError, match="expected the folder of a shoot, found no such folder"):
    _find(tmp_path / "none")
