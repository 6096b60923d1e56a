"""Part by part: the same film as of one go, wherever it was stopped, and by whatever."""

import dataclasses
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from llve_jax.enhance import command, in_parts
from llve_jax.enhance.in_parts import part_length
from llve_jax.enhance.kept_parts import folder_of
from llve_jax.errors import UserError
from llve_jax.io.video import Tracks, read_frames, read_info

LONG = {"model": "auto_gain", "stabilise": True, "strength": 0.8, "part": 10, "quiet": True}


@pytest.fixture
def clip(make_clip, odd_frames, tmp_path):
  """36 frames with sound."""
  return make_clip(tmp_path / "dark.mp4", np.tile(odd_frames, (3, 1, 1, 1)))


def packets(path: Path) -> list[tuple[object, ...]]:
  """Of all tracks: what is in the file, and when it is shown."""
  with av.open(str(path)) as container:
    return [
      (p.stream_index, p.pts, p.dts, p.duration, p.is_keyframe, bytes(p))
      for p in container.demux()
      if p.size
    ]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".webm"])
@pytest.mark.parametrize("part", [10, 36])
def test_it_is_the_film_of_one_go(clip, audio_packets, tmp_path, suffix, part):
  whole, parted = tmp_path / f"whole{suffix}", tmp_path / f"parted{suffix}"
  command.run(clip, whole, **LONG | {"part": 0})
  enhanced = command.run(clip, parted, **LONG | {"part": part})
  pairs = list(zip(read_frames(whole), read_frames(parted), strict=True))
  assert enhanced.frames == len(pairs) == 36
  for one, other in pairs:
    assert one.time == pytest.approx(other.time)
    assert np.abs(one.image.astype(int) - other.image).mean() < 4  # encoded otherwise
  assert audio_packets(whole) == audio_packets(parted)
  assert read_info(whole).average_rate == read_info(parted).average_rate
  assert {path.name for path in tmp_path.iterdir()} == {"dark.mp4", whole.name, parted.name}


def test_variable_rates_and_originals_beside(make_clip, odd_frames, tmp_path):
  stamps = np.cumsum(1 + np.arange(36) % 3).tolist()
  clip = make_clip(tmp_path / "a.mp4", np.tile(odd_frames, (3, 1, 1, 1)), pts=stamps)
  whole, parted = tmp_path / "whole.mp4", tmp_path / "parted.mp4"
  command.run(clip, whole, **LONG | {"part": 0, "side_by_side": True})
  report = tmp_path / "report.json"
  command.run(clip, parted, **LONG | {"side_by_side": True, "report": report})
  for one, other in zip(read_frames(whole), read_frames(parted), strict=True):
    assert one.time == pytest.approx(other.time)
    assert np.abs(one.image.astype(int) - other.image).mean() < 4
  assert '"frames": 36' in report.read_text()


class Killed(BaseException):
  """Stands for what nothing can catch."""


def stopped(clip, target, when: int, options) -> bool:
  """Runs until the result's frame `when`; whether that came."""
  done = []

  def count(number, total):
    done.append(number)
    if len(done) == when:
      raise Killed

  try:
    command.run(clip, target, **options, count=count)
  except Killed:
    return True
  return False


@pytest.mark.parametrize("when", [1, 10, 11, 26])
def test_a_run_that_was_stopped_goes_on(clip, tmp_path, when):
  whole, target = tmp_path / "whole.mkv", tmp_path / "out.mkv"
  command.run(clip, whole, **LONG)
  stops = 0
  while stopped(clip, target, when, LONG):
    stops += 1
    assert not target.exists()
    if when < 12:  # no part was done
      command.run(clip, target, **LONG)
      break
  assert stops
  assert packets(target) == packets(whole)
  assert {path.name for path in tmp_path.iterdir()} == {"dark.mp4", "whole.mkv", "out.mkv"}


def test_other_settings_begin_anew(clip, tmp_path, capsys):
  target = tmp_path / "out.mkv"
  assert stopped(clip, target, 26, LONG)
  assert folder_of(target).is_dir()
  told = LONG | {"quiet": False}
  command.run(clip, target, **told | {"strength": 0.5})
  assert "goes on" not in capsys.readouterr().err
  other = packets(target)
  assert stopped(clip, target, 26, LONG)
  enhanced = command.run(clip, target, **told)
  assert (enhanced.frames, enhanced.before) == (36, 24)
  assert str(enhanced).startswith("36 frames of 67x45, 24 of them before in ")
  assert "goes on behind 24 frames that are done" in capsys.readouterr().err  # a cut is there
  assert packets(target) != other


def test_a_source_that_was_changed_begins_anew(clip, tmp_path):
  target = tmp_path / "out.mkv"
  assert stopped(clip, target, 12, LONG)
  assert folder_of(target).is_dir()
  os.utime(clip, (0, 0))
  assert stopped(clip, target, 2, LONG)
  assert not folder_of(target).exists()  # the part of the other source went, none is done


def test_damaged_parts_are_made_again(clip, tmp_path):
  whole, target = tmp_path / "whole.mkv", tmp_path / "out.mkv"
  command.run(clip, whole, **LONG)
  for name in ("000001.state.npz", "000000.packets.npz"):
    assert stopped(clip, target, 26, LONG)
    last = sorted(folder_of(target).glob("*.state.npz"))[-1]
    damaged = last if "state" in name else folder_of(target) / name
    damaged.write_bytes(damaged.read_bytes()[:100])
    command.run(clip, target, **LONG)
    assert packets(target) == packets(whole)


def test_one_process_at_a_time(clip, tmp_path):
  target = tmp_path / "out.mkv"

  def count(number, total):
    if number == 1:
      with pytest.raises(UserError, match="another process writes this result"):
        command.run(clip, target, **LONG)

  command.run(clip, target, **LONG, count=count)
  assert target.exists()


def test_who_watches_sees_every_frame(clip, tmp_path):
  seen = []
  command.run(clip, tmp_path / "out.mkv", **LONG, watch=lambda *pair: seen.append(pair))
  assert len(seen) == 36
  assert all(before.shape == after.shape for before, after in seen)


def test_a_full_disk_keeps_what_is_done(monkeypatch, clip, tmp_path):
  def full(path, tree, saved=in_parts.KeptParts.add):
    raise OSError(28, "No space left on device")

  target = tmp_path / "out.mkv"
  assert stopped(clip, target, 26, LONG)
  with monkeypatch.context() as patched:
    patched.setattr("llve_jax.enhance.kept_parts.save_tree", full)
    with pytest.raises(UserError, match=r"No space left on device\); make room"):
      command.run(clip, target, **LONG)
  assert folder_of(target).is_dir()
  assert command.run(clip, target, **LONG).frames == 36


def test_sound_that_cannot_be_written_costs_no_pictures(monkeypatch, clip, tmp_path):
  target = tmp_path / "out.mkv"
  with monkeypatch.context() as patched:

    def refused(self, end):
      raise UserError("the sound cannot be written")

    patched.setattr(Tracks, "until", refused)
    with pytest.raises(UserError, match=r"cannot be written; the pictures are done and kept"):
      command.run(clip, target, **LONG)
  enhanced = command.run(clip, target, **LONG, sound="drop")
  assert (enhanced.frames, enhanced.before) == (36, 36)
  assert not read_info(target).has_audio
  assert not folder_of(target).exists()


def test_damage_of_the_source_leaves_nothing(make_clip, odd_frames, tmp_path):
  clip = make_clip(tmp_path / "in.mkv", np.tile(odd_frames, (3, 1, 1, 1)), audio=None)
  clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
  with pytest.raises(UserError, match="frames could be read"):
    command.run(clip, tmp_path / "out.mkv", **LONG)
  assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]
  enhanced = command.run(clip, tmp_path / "out.mkv", **LONG | {"on_error": "skip"})
  assert enhanced.frames == len(list(read_frames(tmp_path / "out.mkv")))
  assert enhanced.faults


@pytest.mark.parametrize("sizes", [(67, 45, 960), (1920, 1080, 96), (3840, 2160, 48)])
def test_how_long_a_part_is(clip, sizes):
  width, height, expected = sizes
  info = dataclasses.replace(read_info(clip), height=height)
  assert part_length(info, width) is None
  assert part_length(dataclasses.replace(info, frame_count=10**6), width) == expected


def test_the_disk_has_to_hold_the_parts_too(clip, tmp_path, monkeypatch):
  target = tmp_path / "out.mp4"
  usage = type("Usage", (), {"free": 10**12})
  monkeypatch.setattr("llve_jax.io.video.plan.shutil.disk_usage", lambda path: usage)
  plan = command.run(clip, target, model="input", dry_run=True, part=10)
  assert "as much again for its parts" in str(plan)
  usage.free = int(0.3 * plan.size)  # enough for the result alone
  command.run(clip, target, model="input", dry_run=True, part=0)
  with pytest.raises(UserError, match=r"make room, or write to another disk"):
    command.run(clip, target, model="input", dry_run=True, part=10)
  folder_of(target).mkdir()
  (folder_of(target) / "000000.packets.npz").write_bytes(bytes(plan.size))
  command.run(clip, target, model="input", dry_run=True, part=10)  # they are there


def killed_at_random(
  clip: Path, target: Path, kills: int, seed: int, *options: str, longest: float = 1.5
) -> int:
  """Runs the command, kills it at random moments, and lets the last one end; how often it took."""
  rng, attempts = random.Random(seed), 0
  command_line = [sys.executable, "-m", "llve_jax.enhance", str(clip), str(target), *options]
  while True:
    attempts += 1
    run = subprocess.Popen(command_line, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    began = time.monotonic()
    while not folder_of(target).is_dir() and time.monotonic() - began < 120 and run.poll() is None:
      time.sleep(0.02)
    if attempts <= kills:
      time.sleep(rng.uniform(0, longest))
      run.send_signal(signal.SIGKILL)
      run.wait()
    else:
      assert run.wait(300) == 0
    if target.exists():
      return attempts


def test_a_kill_at_a_random_moment(make_clip, odd_frames, tmp_path):
  clip = make_clip(tmp_path / "dark.mp4", np.tile(odd_frames, (100, 1, 1, 1)))
  options = ("--model=auto_gain", "--stabilise", "--part=48")
  command.run(clip, tmp_path / "whole.mp4", model="auto_gain", stabilise=True, part=48)
  assert killed_at_random(clip, tmp_path / "out.mp4", 1, 0, *options) == 2
  assert packets(tmp_path / "out.mp4") == packets(tmp_path / "whole.mp4")
  names = {path.name for path in tmp_path.iterdir()}
  assert names == {"dark.mp4", "whole.mp4", "out.mp4"}
