import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.images import read_image16
from llve_jax.io.raw import render_srgb
from llve_jax.prepare.settings import Settings
from llve_jax.prepare.shoot import find_scenes
from llve_jax.prepare.static import measure_noise, prepare_scene
from tests.dng import write_dng

BLACK, WHITE, RATIO = 512.0, 16383.0, 40.0
SHOT, READ = 2e-4, 1e-3  # of full scale, before the ratio


@pytest.fixture
def burst(tmp_path):
  """(shoot, light): five short frames and a long one of a gradient in red, green and blue."""
  y, x = np.mgrid[0:64, 0:96] / 96
  light = np.stack([0.1 + 0.6 * x, 0.2 + 0.4 * y, 0.5 - 0.3 * x], -1)  # of the long exposure
  color = np.array([[1, 2], [0, 1]])  # GBRG
  mosaic = np.take_along_axis(light, np.tile(color, (32, 48))[..., None], -1)[..., 0]
  rng = np.random.default_rng(0)

  def write(path, plane, seconds):
    numbers = np.clip(np.rint(plane * (WHITE - BLACK) + BLACK), 0, WHITE).astype(np.uint16)
    write_dng(
      path, numbers, cfa="GBRG", black=[BLACK] * 4, white=WHITE, exposure_time=seconds, iso=100
    )

  scene = tmp_path / "shoot" / "0001"
  for side in ("short", "long"):
    (scene / side).mkdir(parents=True)
  for index in range(5):
    dark = SHOT * rng.poisson(mosaic / RATIO / SHOT) + READ * rng.standard_normal(mosaic.shape)
    write(scene / "short" / f"{index}.dng", dark, 0.1)
  write(scene / "long" / "0.dng", mosaic, 0.1 * RATIO)
  return tmp_path / "shoot", light


def _prepare(shoot, folder, **values):
  (scene,) = find_scenes(shoot, "static", out=folder)
  folder.mkdir()
  return prepare_scene(
    scene, scene.folder.parent, folder, Settings(mode="static", **values)
  ).records


def _low(folder):
  return np.stack([read_image16(path) for path in sorted((folder / "low").iterdir())]) / 65535


def test_frames_have_the_light_of_the_long_exposure(burst, tmp_path):
  shoot, light = burst
  (record,) = _prepare(shoot, tmp_path / "out", denoise="none")
  assert record["ratio"] == pytest.approx(RATIO, rel=1e-4)
  assert (record["frames"], record["denoise"]) == (5, "none")
  low = _low(tmp_path / "out")
  assert low.shape == (5, 32, 48, 3)
  binned = light.reshape(32, 2, 48, 2, 3).mean((1, 3))
  np.testing.assert_allclose(low.mean((0, 1, 2)), binned.mean((0, 1)), atol=0.01)
  # The gradients of a mosaic's sites lie half a pixel beside the mean of a cell.
  np.testing.assert_allclose(low.mean(0).mean(0), binned.mean(0), atol=0.08)


def test_denoised_frames_are_nearer_and_the_target_is_libraws(burst, tmp_path):
  shoot, light = burst
  binned = light.reshape(32, 2, 48, 2, 3).mean((1, 3))
  _prepare(shoot, tmp_path / "noisy", denoise="none")
  (record,) = _prepare(shoot, tmp_path / "out")
  assert record["denoise"] == "recursive_average"
  noisy, denoised = (
    np.square(_low(tmp_path / name)[-1] - binned).mean() for name in ("noisy", "out")
  )
  assert denoised < 0.4 * noisy
  target = read_image16(tmp_path / "out" / "high" / "000000.png")
  expected = render_srgb(shoot / "0001" / "long" / "0.dng", bits=16, half_size=True)
  np.testing.assert_array_equal(target, expected)
  assert target.shape == (32, 48, 3)


def test_measured_noise():
  rng = np.random.default_rng(1)
  light = np.tile(np.linspace(0.0, 0.8, 160)[None, :, None], (160, 1, 4))
  first, second = (
    0.01 * rng.poisson(light / 0.01) + 0.02 * rng.standard_normal(light.shape) for _ in range(2)
  )
  second[:30, :30] += 0.5  # something moved
  shot, read = measure_noise(first, second)
  assert shot == pytest.approx(0.01, rel=0.15)
  assert read == pytest.approx(0.02, rel=0.3)
  assert measure_noise(light, light) == (0.0, 0.0)


def test_ratio_from_the_command_and_missing_metadata(burst, tmp_path):
  shoot, _ = burst
  (record,) = _prepare(shoot, tmp_path / "out", ratio=20.0, denoise="none")
  assert record["ratio"] == 20
  plane = np.full((64, 96), 1000, np.uint16)
  long = shoot / "0001" / "long" / "0.dng"
  write_dng(long, plane, cfa="GBRG", black=[BLACK] * 4, white=WHITE)
  with pytest.raises(UserError, match=r"long/0\.dng: expected an exposure time.*--ratio=NUMBER"):
    _prepare(shoot, tmp_path / "fails")


def test_frames_that_do_not_belong_together(burst, tmp_path):
  shoot, _ = burst
  plane = np.full((64, 96), 1000, np.uint16)
  short = shoot / "0001" / "short" / "3.dng"
  levels = {"cfa": "GBRG", "black": [BLACK] * 4, "white": WHITE}
  for seconds in (0.2, 0.05):
    write_dng(short, plane, exposure_time=seconds, **levels)
    with pytest.raises(UserError, match=r"3\.dng: expected the exposure of the frames before it"):
      _prepare(shoot, tmp_path / f"exposure {seconds}")
  write_dng(short, plane[:32], exposure_time=0.1, **levels)
  with pytest.raises(UserError, match=r"3\.dng: expected a frame of the burst's size, 96x64"):
    _prepare(shoot, tmp_path / "size")


@pytest.mark.parametrize("shape", [(60, 96), (64, 100)])
def test_a_long_exposure_of_another_size(burst, tmp_path, shape):
  shoot, _ = burst
  write_dng(
    shoot / "0001" / "long" / "0.dng",
    np.full(shape, 1000, np.uint16),
    cfa="GBRG",
    black=[BLACK] * 4,
    white=WHITE,
    exposure_time=0.1 * RATIO,
  )
  found = f"{shape[1] // 2}x{shape[0] // 2}"
  with pytest.raises(UserError, match=rf"0\.dng: expected .* 48x32 after binning, found {found}"):
    _prepare(shoot, tmp_path / "out")


def test_damaged_frames(burst, tmp_path):
  shoot, _ = burst
  (shoot / "0001" / "short" / "2.dng").write_bytes(b"no raw file" * 50)
  with pytest.raises(UserError, match=r"2\.dng: "):
    _prepare(shoot, tmp_path / "out")
  rejected, kept = _prepare(shoot, tmp_path / "skipped", on_error="skip")
  assert rejected["file"] == "0001/short/2.dng"
  assert (kept["frames"], len(kept["short"])) == (4, 4)
