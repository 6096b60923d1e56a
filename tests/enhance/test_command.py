import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from llve_jax.enhance import chosen, command
from llve_jax.errors import UserError
from llve_jax.io.images import read_image, write_image
from llve_jax.io.video import read_frames, read_info
from llve_jax.methods.classic import Classic
from llve_jax.models.contract import Traits
from llve_jax.zoo.shipped import DEFAULT
from tests import commands
from tests.methods.networks import of_function


@pytest.fixture
def clip(make_clip, odd_frames, tmp_path):
  return make_clip(tmp_path / "dark.mp4", odd_frames)


@pytest.fixture
def network(monkeypatch):
  """Stands for a trained network: doubles the light, and notes the frames it is given."""
  noted = []

  def load(model, **options):
    method, compiled = of_function(lambda clip: 2 * clip, Traits(8, 9), **without_rows(options))
    noted.append(compiled)
    return method

  monkeypatch.setattr(chosen.methods, "load", load)
  return noted


def without_rows(options):
  assert options.pop("rows") == 1
  return options


def test_network_on_a_video(clip, network, tmp_path, capsys):
  enhanced = command.run(
    clip, tmp_path / "bright.mp4", model="run", tile=48, batch=5, stabilise=False, strength=1.0
  )
  assert set(network[0].shapes) == {(5, 48, 48, 3)}
  assert enhanced.frames == 12
  for was, now in zip(read_frames(clip), read_frames(tmp_path / "bright.mp4"), strict=True):
    expected = np.minimum(2 * was.image.astype(int), 255)
    assert np.abs(now.image - expected).mean() < 4
  said = capsys.readouterr().err
  assert "run: function: 67x45 in 3 tiles of 48x48, 5 frames at a time; compiling, once" in said


def test_network_on_an_image(network, odd_frames, tmp_path):
  write_image(tmp_path / "dark.png", odd_frames[0])
  command.run(tmp_path / "dark.png", tmp_path / "bright.png", model="run", strength=1.0)
  expected = np.minimum(2 * odd_frames[0].astype(int), 255)
  np.testing.assert_array_equal(read_image(tmp_path / "bright.png"), expected)


def test_a_network_for_raw_light_takes_an_ordinary_video(clip, monkeypatch, tmp_path, capsys):
  traits = Traits(1, 1, input_kind="raw_rgb")
  monkeypatch.setattr(
    chosen.methods, "load", lambda model, **options: of_function(lambda x: x, traits)[0]
  )
  command.run(clip, tmp_path / "bright.mp4", model="run")
  assert "it takes raw light (raw_rgb), which is guessed from the video" in capsys.readouterr().err
  assert len(list(read_frames(tmp_path / "bright.mp4"))) == 12


def test_a_classic_method_remembers(clip, tmp_path):
  """auto_gain follows the light over time."""
  frames = np.stack([frame.image for frame in read_frames(clip)])
  expected = Classic("auto_gain")(frames)
  command.run(clip, tmp_path / "bright.mkv", model="auto_gain")
  for now, wanted in zip(read_frames(tmp_path / "bright.mkv"), expected, strict=True):
    assert np.abs(now.image.astype(int) - wanted).mean() < 4


def test_side_by_side(clip, tmp_path):
  enhanced = command.run(clip, tmp_path / "both.mp4", model="hist_eq", side_by_side=True)
  assert (enhanced.width, enhanced.height) == (134, 45)
  for was, now in zip(read_frames(clip), read_frames(tmp_path / "both.mp4"), strict=True):
    assert np.abs(now.image[:, :67].astype(int) - was.image).mean() < 4


def test_hdr_becomes_sdr_with_a_word(make_clip, odd_frames, tmp_path, capsys):
  source = make_clip(tmp_path / "hdr.mp4", odd_frames, tags={"colorspace": 9, "color_trc": 16})
  command.run(source, tmp_path / "out.mp4", model="input")
  assert "hdr.mp4: HDR video: brought to the brightness" in capsys.readouterr().err
  assert read_info(tmp_path / "out.mp4").color.transfer == 13


def test_a_dry_run_prints_the_plan_and_writes_nothing(clip, tmp_path):
  plan = command.run(clip, tmp_path / "out.mkv", model="input", dry_run=True)
  assert "67x45, 25 frames/s, 12 frames, h264 -> H.264" in str(plan)
  assert "sound, track 1 (aac): copied" in str(plan)
  assert [path.name for path in tmp_path.iterdir()] == ["dark.mp4"]


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"model": "magic"}, "magic: no method and no file is called so.*clahe"),
    ({"model": "."}, r"\.: holds no trained network"),
    ({"model": "clahe", "tile": 64}, "clahe is no network, so --tile means nothing"),
    ({"model": "clahe", "batch": 0}, "must be at least 1"),
    ({"model": "clahe", "tile": -1}, "must be at least 1"),
  ],
)
def test_bad_arguments(clip, tmp_path, arguments, message):
  with pytest.raises(UserError, match=message):
    command.run(clip, tmp_path / "out.mp4", **arguments)
  assert [path.name for path in tmp_path.iterdir()] == ["dark.mp4"]


def test_tile_too_small(clip, network, tmp_path):
  with pytest.raises(UserError, match=r"a tile of 16 is too small: .* at least 40"):
    command.run(clip, tmp_path / "out.mp4", model="run", tile=16)
  assert [path.name for path in tmp_path.iterdir()] == ["dark.mp4"]


def main(*arguments, cwd):
  return subprocess.run(
    [sys.executable, "-m", "llve_jax.enhance", *map(str, arguments)],
    cwd=cwd,
    capture_output=True,
    text=True,
    check=False,
    timeout=120,
  )


def test_the_command_itself(clip, tmp_path):
  done = main("dark.mp4", "bright.mp4", "--model=clahe", cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  assert done.stdout.startswith("12 frames of 67x45 in ")
  assert done.stdout.endswith("wrote bright.mp4\n")
  assert len(list(read_frames(tmp_path / "bright.mp4"))) == 12


BAD_INPUT = {
  "truncated video": ("cut.mp4", "out.mp4", "frames could be read"),
  "empty video": ("empty.mp4", "out.mp4", "zero bytes"),
  "zero-byte image": ("empty.png", "out.png", "zero bytes"),
  "no video": ("text.mp4", "out.mp4", "cannot be opened as one"),
  "missing folder": ("dark.mp4", "no/out.mp4", "does not exist; create it first"),
  "output is input": ("dark.mp4", "./dark.mp4", "is the input itself"),
  "unknown suffix": ("dark.mp4", "out.xyz", "unknown suffix '.xyz'"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line_and_exit_code_2(clip, tmp_path, case):
  source, target, message = BAD_INPUT[case]
  (tmp_path / "empty.mp4").touch()
  (tmp_path / "empty.png").touch()
  (tmp_path / "text.mp4").write_text("no video " * 50)
  (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
  before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
  done = commands.run("llve_jax.enhance", source, target, "--model=clahe", cwd=tmp_path)
  assert done.returncode == 2
  assert done.stdout == ""
  assert done.stderr.startswith("error: ")
  assert done.stderr.count("\n") == 1
  assert message in done.stderr
  assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.slow
def test_no_model_takes_the_network_that_ships(clip, tmp_path):
  done = main("dark.mp4", "bright.mp4", cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  assert f"{DEFAULT}: recurrent_unet: 67x45, whole" in done.stderr
  before, after = (
    np.mean([frame.image.mean() for frame in read_frames(tmp_path / name)])
    for name in ("dark.mp4", "bright.mp4")
  )
  assert after > before


def test_no_path_is_refused_and_one_goes_beside_the_input(clip, tmp_path):
  done = main(cwd=tmp_path)
  assert done.returncode == 2
  assert "expected IN, IN OUT or IN ... FOLDER, found no path" in done.stderr
  done = main("dark.mp4", "--model=input", "--quiet", cwd=tmp_path)
  assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
  assert read_info(tmp_path / "dark_bright.mp4").expected_frames == 12


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_nothing(make_clip, odd_frames, tmp_path, stop):
  make_clip(tmp_path / "dark.mp4", np.tile(odd_frames, (400, 1, 1, 1)), audio=None)
  run = subprocess.Popen(
    [sys.executable, "-m", "llve_jax.enhance", "dark.mp4", "out.mp4", "--model=clahe", "--part=0"],
    cwd=tmp_path,
    stderr=subprocess.PIPE,
    text=True,
  )
  deadline = time.monotonic() + 60
  while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
    time.sleep(0.05)
  assert len(list(tmp_path.iterdir())) == 2  # it has begun to write
  run.send_signal(stop)
  _, said = run.communicate(timeout=60)
  assert run.returncode == 130
  assert said.endswith("\nstopped: out.mp4 was not written\n")
  assert [path.name for path in tmp_path.iterdir()] == ["dark.mp4"]


def test_a_report_of_a_video_and_of_a_picture(clip, odd_frames, tmp_path):
  report = tmp_path / "report.json"
  enhanced = command.run(clip, tmp_path / "out.mkv", model="gamma", report=report)
  found = json.loads(report.read_text())
  assert (found["frames"], found["model"]) == (12, "gamma")
  assert set(found["rates"]) == {"reading", "computing", "writing"}
  assert found["brightness"]["after"] > found["brightness"]["before"] + 20
  assert "frames/s by themselves: reading " in str(enhanced)
  write_image(tmp_path / "dark.png", odd_frames[0])
  command.run(tmp_path / "dark.png", tmp_path / "out.png", model="gamma", report=report)
  found = json.loads(report.read_text())
  assert (found["frames"], found["rates"], found["flicker"]["after"]) == (1, None, 0.0)
