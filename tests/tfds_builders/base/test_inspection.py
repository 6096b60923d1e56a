"""Looking at a data set's pixels: shifts, wrong pairs, leaks; previews of every kind of file."""

import cv2
import numpy as np
import pytest
import scipy.ndimage
import skimage.data
import skimage.exposure

from llve_jax.errors import UserError
from llve_jax.io.video import write_video
from tests.tfds_builders.raw_files import write_raw
from tfds_builders.base.inspection import fingerprint, inspect, register
from tfds_builders.base.preview import equalize, preview
from tfds_builders.base.scan import Clip, Scan

SCENES = [skimage.data.chelsea(), skimage.data.coffee(), skimage.data.astronaut()]


def scene(number, size=(192, 256)):
  return cv2.resize(SCENES[number], size[::-1], interpolation=cv2.INTER_AREA)


def darken(image, seed, shift=(0.0, 0.0)):
  """A twelfth of the light, with noise, moved by (dx, dy)."""
  light = (image / 255.0) ** 2.2 / 12
  light = scipy.ndimage.shift(light, (shift[1], shift[0], 0), order=3, mode="mirror")
  light = light + np.random.default_rng(seed).normal(0, 0.004, light.shape)
  return np.round(255 * light.clip(0, 1) ** (1 / 2.2)).astype(np.uint8)


def save(path, image):
  path.parent.mkdir(parents=True, exist_ok=True)
  assert cv2.imwrite(str(path), image[..., ::-1])
  return path


def pair(root, split, number, *, shift=(0.0, 0.0), dark=None):
  low = save(root / split / "low" / f"{number}.png", darken(scene(dark or number), number, shift))
  high = save(root / split / "high" / f"{number}.png", scene(number))
  return Clip(f"{split}/{number}", (low,), (high,))


@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.5, -0.75), (-6.0, 3.0)])
def test_the_shift_of_a_noisy_pair_is_found(shift):
  dark, bright = (equalize(i.mean(axis=2)) for i in (darken(scene(1), 0, shift), scene(1)))
  found = register(dark, bright)
  np.testing.assert_allclose(found.shift, shift, atol=0.3)
  assert found.correlation > 0.8


def test_shifts_of_large_pictures_are_in_their_own_pixels():
  """They are registered at half their size, and less."""
  grey = cv2.cvtColor(cv2.resize(SCENES[1], (1400, 900)), cv2.COLOR_RGB2GRAY)
  bright, dark = grey[20:820, 30:1310], grey[28:828, 14:1294]
  found = register(equalize(dark), equalize(bright))
  np.testing.assert_allclose(found.shift, (16, -8), atol=0.5)
  assert found.correlation > 0.95


def test_misregistered_pairs_and_wrong_ones_are_named(tmp_path):
  clips = [
    pair(tmp_path, "train", 0),
    pair(tmp_path, "train", 1, shift=(3, 2)),
    pair(tmp_path, "train", 2, dark=1),
  ]
  found = inspect(Scan({"train": clips}))
  problems = {problem.path.stem: problem.message for problem in found.problems}
  assert problems.keys() == {"1", "2"}
  assert "shifted by (+3" in problems["1"]
  assert "is it the same scene" in problems["2"]
  assert found.looked_at == {"train": (3, 3)}


def test_a_copy_in_another_split_is_a_leak(tmp_path):
  train = [pair(tmp_path, "train", 0), pair(tmp_path, "train", 1)]
  copy = save(tmp_path / "copy.jpg", cv2.resize(scene(1), (200, 150)))
  test = [pair(tmp_path, "test", 2), Clip("copy", train[1].low, (copy,))]
  found = inspect(Scan({"train": train, "test": test}))
  (leak,) = [problem for problem in found.problems if problem.kind == "leak"]
  assert leak.path == train[1].high[0]
  assert "copy.jpg" in leak.message
  (elsewhere,) = inspect(Scan({"train": train}), against=[copy]).problems
  assert "the other data set" in elsewhere.message


def test_the_two_sides_of_an_unpaired_set_may_show_the_same_scene(tmp_path):
  """Its other splits may not."""
  files = [save(tmp_path / f"{number}.png", scene(number)) for number in range(2)]
  clips = [Clip(path.stem, (path,)) for path in files]
  trained, tested = {"train_low": clips[:1], "train_high": clips[:1]}, clips[1:]
  scan = Scan(trained | {"test_low": tested, "test_high": tested})
  assert inspect(scan).problems == []
  scan.clips["test_high"] = clips
  leaks = inspect(scan).problems
  assert [problem.kind for problem in leaks] == ["leak", "leak"]
  assert all("the split test_high" in problem.message for problem in leaks)


def test_sides_that_are_exchanged_throughout_are_one_problem(tmp_path):
  clips = [pair(tmp_path, "train", number) for number in range(3)]
  turned = [Clip(clip.name, clip.high, clip.low) for clip in clips]
  (problem,) = inspect(Scan({"train": [clips[0], *turned[1:]]})).problems
  assert (problem.kind, problem.path) == ("exchanged", tmp_path / "train" / "high")
  assert "in 2 of 3 pairs of the split train" in problem.message
  (problem,) = inspect(Scan({"train": [*clips[:2], turned[2]]})).problems
  assert (problem.kind, problem.path) == ("exchanged", turned[2].low[0])


def test_a_sample_is_spread_and_counted(tmp_path):
  clip = pair(tmp_path, "train", 0)
  clips = [Clip(str(k), clip.low, ()) for k in range(10)]
  seen = []

  def progress(work, total):
    assert total == 3
    for split, clip in work:
      seen.append((split, clip.name))
      yield split, clip

  found = inspect(Scan({"train": clips}), sample=3, progress=progress)
  assert seen == [("train", "0"), ("train", "3"), ("train", "6")]
  assert found.looked_at == {"train": (3, 10)}


def test_what_cannot_be_read_is_named(tmp_path):
  clip = pair(tmp_path, "train", 0)
  clip.high[0].write_bytes(clip.high[0].read_bytes()[:60])
  (problem,) = inspect(Scan({"train": [clip]})).problems
  assert (problem.kind, problem.path) == ("unreadable", clip.high[0])


def test_equalisation_is_that_of_scikit_image():
  grey = scene(0).mean(axis=2, dtype=np.float32)
  expected = skimage.exposure.equalize_hist(grey, nbins=4096) * 255
  assert np.abs(equalize(grey) - expected).mean() < 1
  assert not equalize(np.full((3, 4), 7.0)).any()


def test_every_kind_of_file_has_a_preview(tmp_path):
  picture = scene(0)
  expected = preview(save(tmp_path / "a.png", picture))
  np.save(tmp_path / "frame.npy", picture)
  np.save(tmp_path / "clip.npy", np.stack([picture, picture * 0]))
  write_video(tmp_path / "a.mp4", [picture] * 3, 25)
  for name in ("frame.npy", "clip.npy"):
    np.testing.assert_array_equal(preview(tmp_path / name), expected)
  film = preview(tmp_path / "a.mp4")
  assert fingerprint(film) @ fingerprint(expected) > 0.99
  write_raw(tmp_path / "a.arw", 0, shape=(24, 36))
  assert preview(tmp_path / "a.arw").shape == (12, 18)
  for name, content in (("b.npy", b"x"), ("b.txt", b"x")):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
      preview(tmp_path / name)
  np.save(tmp_path / "c.npy", np.zeros(4))
  with pytest.raises(UserError, match="found another array"):
    preview(tmp_path / "c.npy")
