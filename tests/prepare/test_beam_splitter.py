import numpy as np
import pytest

from experiments.benchmarks import prepare as bench
from llve_jax.errors import UserError
from llve_jax.io.images import read_image
from llve_jax.io.video import read_frames, write_video
from llve_jax.ops import degrade
from llve_jax.prepare import beam_splitter
from llve_jax.prepare.beam_splitter import find_offset, prepare_scene
from llve_jax.prepare.settings import Settings
from llve_jax.prepare.shoot import find_scenes

SHIFT = (1.75, -2.25)


@pytest.fixture(scope="module")
def film():
  """24 bright frames in which something moves over a still scene, and the same seen from beside."""
  frames, beside = [], []
  world = bench._world(bench.Pan("bigbuckbunny.mp4", 1.0, frames=2), 240, 136)
  y, x = np.mgrid[0 : world.shape[0], 0 : world.shape[1]]
  for index in range(24):
    angle = index**1.5 / 9
    spot = (x - 140 - 70 * np.cos(angle)) ** 2 + (y - 80 - 40 * np.sin(angle)) ** 2 < 20**2
    picture = np.where(spot[..., None], np.uint8([230, 40, 90]), world)
    frames.append(bench._seen(picture, np.array([10.0, 10.0]), 240, 136))
    # What must move by SHIFT to lie on the frame was seen from that much further.
    beside.append(bench._seen(picture, np.array([10.0, 10.0]) + SHIFT, 240, 136))
  return np.stack(frames), np.stack(beside)


def _scene(folder, film, *, low=slice(None), high=slice(None)):
  (folder / "street").mkdir()
  frames, beside = film
  degradation = degrade.Degradation(exposure=1 / 15, shot_noise=1e-3, read_noise=1e-3)
  dark = degrade.apply(frames[low], degradation, np.random.default_rng(0))
  write_video(folder / "street" / "low.mp4", dark, 25)
  write_video(folder / "street" / "high.mp4", beside[high], 25)


def _prepare(shoot, folder, **values):
  (scene,) = find_scenes(shoot, "beam_splitter", out=folder)
  folder.mkdir(exist_ok=True)
  return prepare_scene(scene, scene.folder.parent, folder, Settings(**values)).records


def test_offset_shift_and_common_area(film, tmp_path):
  # The bright camera started three frames earlier.
  _scene(tmp_path, film, low=slice(3, 23), high=slice(0, 20))
  (record,) = _prepare(tmp_path, tmp_path / "out")
  assert record["offset"] == 3
  assert (record["frames"], record["low_frames"], record["high_frames"]) == (17, 20, 20)
  np.testing.assert_allclose(record["shift"], SHIFT, atol=0.15)
  assert record["correlation"] > 0.9
  left, top, width, height = record["box"]
  # Six neighbours make a pixel: three more on one side than the shift alone exposes.
  assert (left, top, left + width, top + height) == (4, 0, 239, 131)
  lows, highs = (sorted((tmp_path / "out" / side).iterdir()) for side in ("low", "high"))
  assert [path.name for path in lows] == [f"{index:06d}.png" for index in range(17)]
  assert [path.name for path in highs] == [path.name for path in lows]
  decoded = [frame.image for frame in read_frames(tmp_path / "street" / "low.mp4")]
  for index in (0, 16):
    part = np.s_[top : top + height, left : left + width]
    np.testing.assert_array_equal(read_image(lows[index]), decoded[index][part])
    target = read_image(highs[index]).astype(int)
    assert np.abs(target - film[0][index + 3][part]).mean() < 3


@pytest.mark.parametrize("offset", [-4, 0, 2])
def test_offset_of_moving_noise(offset):
  views = np.random.default_rng(0).standard_normal((40, 50)).astype(np.float32)
  low, high = views[5:30], views[5 - offset : 30 - offset]
  assert find_offset(low, high, 6) == offset
  assert find_offset(low, low[:, :1] * 0 + low[0], 6) == 0  # nothing moves


def test_counts_that_differ(film, tmp_path):
  _scene(tmp_path, film, low=slice(0, 20), high=slice(0, 17))
  with pytest.raises(UserError, match=r"found 20 in low\.mp4 and 17 in high\.mp4"):
    _prepare(tmp_path, tmp_path / "out")
  (record,) = _prepare(tmp_path, tmp_path / "skipped", on_error="skip")
  assert (record["offset"], record["frames"]) == (0, 17)
  assert (record["low_frames"], record["high_frames"]) == (20, 17)


@pytest.mark.parametrize("shift", [(6.0, 1.0), (-6.0, 1.0), (1.0, 6.0), (1.0, -6.0)])
def test_too_far_is_to_either_side(shift, tmp_path):
  settings = Settings(mode="beam_splitter", max_shift=0.05)
  with pytest.raises(UserError, match=r"more than 5\.0 px"):
    beam_splitter._check_shift(shift, 1.0, 100, tmp_path / "low.mp4", settings)
  beam_splitter._check_shift(shift, 1.0, 200, tmp_path / "low.mp4", settings)


def test_cameras_too_far_apart_and_other_scenes(film, tmp_path):
  _scene(tmp_path, film, low=slice(0, 12), high=slice(0, 12))
  with pytest.raises(UserError, match=r"px beside the bright video, more than 1\.2 px"):
    _prepare(tmp_path, tmp_path / "out", max_shift=0.005)
  noise = np.random.default_rng(0).integers(0, 256, (12, 136, 240, 3), np.uint8)
  write_video(tmp_path / "street" / "high.mp4", noise, 25)
  (record,) = _prepare(tmp_path, tmp_path / "other", max_shift=0.5, on_error="skip")
  assert record["status"] == "rejected"
  assert "are these two videos of one scene?" in record["reason"]
