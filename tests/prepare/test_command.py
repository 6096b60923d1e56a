import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from llve_jax.errors import UserError
from llve_jax.prepare import command
from llve_jax.prepare.scene_log import SceneLog
from llve_jax.prepare.settings import Settings
from tests import commands

QUICK = Settings(crops="none", match_height=90)


def _tree(folder):
  return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*.png")}


def _manifest(out):
  return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def test_a_run_and_the_next_that_has_nothing_to_do(shoot, tmp_path, capsys):
  out = tmp_path / "out"
  done = command.run(shoot, out, QUICK)
  assert (done.scenes, done.reused, done.kept, done.rejected) == (1, 0, 6, 0)
  assert "lamp: 6 kept, 0 rejected" in capsys.readouterr().err
  for record in _manifest(out):
    for side in ("input", "gt", "mask"):
      assert (out / record[side]).is_file()
    assert (shoot / record["still"]).is_file()
    assert (shoot / record["video"]).is_file()
  assert json.loads((out / "settings.json").read_text())["match_height"] == 90
  page = (out / "contact_sheet.html").read_text()
  assert page.count("<figure>") == 6
  assert "lamp/stills/0005.png" in page
  before = _tree(out)
  again = command.run(shoot, out, QUICK)
  assert (again.reused, again.kept) == (1, 6)
  assert "(1 from an earlier run)" in str(again)
  assert _tree(out) == before


def test_scenes_in_processes_are_listed_in_order(shoot, tmp_path):
  shutil.copytree(shoot / "lamp", shoot / "attic")
  done = command.run(shoot, tmp_path / "out", QUICK, processes=2)
  assert done.kept == 12
  records = _manifest(tmp_path / "out")
  assert [record["scene"] for record in records] == ["attic"] * 6 + ["lamp"] * 6
  assert Counter(path.suffix for path in (tmp_path / "out").rglob("*")) == {
    ".png": 36, "": 8, ".json": 3, ".jsonl": 3, ".html": 1, ".part": 2,
  }  # fmt: skip


def test_other_settings_and_overwrite(shoot, tmp_path):
  out = tmp_path / "out"
  command.run(shoot, out, QUICK)
  other = Settings(crops="cover", size=160, match_height=90)
  with pytest.raises(UserError, match=r"other settings \(crops: none -> cover; size: 512 -> 160\)"):
    command.run(shoot, out, other)
  assert len(_manifest(out)) == 6
  assert command.run(shoot, out, other, overwrite=True).kept == 24


def test_a_scene_whose_files_changed_is_done_again(shoot, tmp_path):
  command.run(shoot, tmp_path / "out", QUICK)
  (shoot / "lamp" / "stills" / "0005.png").unlink()
  done = command.run(shoot, tmp_path / "out", QUICK)
  assert (done.reused, done.kept) == (0, 5)
  assert len(list((tmp_path / "out" / "lamp" / "gt").iterdir())) == 5


def test_a_scene_is_done_again_where_a_file_was_replaced_by_one_as_large(tmp_path, monkeypatch):
  def keeps_one(scene, shoot, folder, settings):
    log = SceneLog(scene.name)
    log.keep(crop=0)
    return log

  monkeypatch.setitem(command.PREPARERS, "turntable", keeps_one)
  still = tmp_path / "shoot" / "lamp" / "stills" / "1.png"
  still.parent.mkdir(parents=True)
  (still.parent.parent / "dark.mp4").write_bytes(b"pan")
  still.write_bytes(b"one")
  reused = []
  for content in (b"one", b"one", b"two", b"two"):
    if still.read_bytes() != content:
      taken = still.stat().st_mtime_ns
      still.write_bytes(content)
      os.utime(still, ns=(taken + 10**9, taken + 10**9))
    reused.append(command.run(tmp_path / "shoot", tmp_path / "out", QUICK).reused)
  assert reused == [0, 1, 0, 1]


def test_broken_scenes_stop_or_are_listed(shoot, tmp_path):
  (shoot / "broken").mkdir()
  (shoot / "broken" / "dark.mp4").write_text("no video")
  (shoot / "broken" / "<0>.png").touch()
  out = tmp_path / "out"
  with pytest.raises(UserError, match=r"dark\.mp4: expected a video, but it cannot be opened"):
    command.run(shoot, out, QUICK, processes=1)
  assert not (out / "broken").exists()
  skipping = Settings(crops="none", match_height=90, on_error="skip")
  done = command.run(shoot, out, skipping, processes=1)
  assert (done.scenes, done.kept, done.rejected) == (2, 6, 1)
  assert _manifest(out)[0]["what"] == "clip"
  assert 'class="rejected"' in (out / "contact_sheet.html").read_text()


def test_folders_that_must_not_be_written_to(shoot, tmp_path):
  (tmp_path / "photos").mkdir()
  (tmp_path / "photos" / "mine.jpg").touch()
  (tmp_path / "file").touch()
  for out, message in {
    "photos": "holds files that are not from this command",
    "file": "expected a folder to write to, found a file",
    "shoot": "is the shoot itself",
  }.items():
    with pytest.raises(UserError, match=message):
      command.run(shoot, tmp_path / out, QUICK, overwrite=True)
  assert (tmp_path / "photos" / "mine.jpg").exists()


def _main(*arguments, cwd):
  return subprocess.Popen(
    [sys.executable, "-m", "llve_jax.prepare", *arguments],
    cwd=cwd,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def test_the_command_itself(shoot, tmp_path):
  run = _main("--shoot=shoot/lamp", "--out=out", "--crops=released", "--size=90", cwd=tmp_path)
  said, errors = run.communicate(timeout=120)
  assert run.returncode == 0, errors
  assert said.startswith("1 scenes: 36 kept, 0 rejected, in ")
  assert _manifest(tmp_path / "out")[0]["box"] == [25, 0, 90, 90]


def test_errors_are_one_line(tmp_path):
  (tmp_path / "shoot").mkdir()
  run = commands.run("llve_jax.prepare", "--shoot=shoot", cwd=tmp_path)
  assert run.returncode == 2
  assert run.stderr.startswith("error: give both --shoot=DIR")
  run = commands.run("llve_jax.prepare", "--shoot=shoot", "--out=out", cwd=tmp_path)
  assert run.returncode == 2
  assert "SCENE/            any name" in run.stderr


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_can_go_on(shoot, tmp_path, stop):
  shutil.copytree(shoot / "lamp", shoot / "attic")
  out = tmp_path / "out"
  run = _main("--shoot=shoot", "--out=out", "--processes=2", "--crops=none", cwd=tmp_path)
  deadline = time.monotonic() + 60
  while not list(out.glob(".*.part/gt/*.png")) and time.monotonic() < deadline:
    time.sleep(0.02)
  run.send_signal(stop)
  _, errors = run.communicate(timeout=60)
  assert run.returncode == 130, errors
  assert "stopped; run the same command again to go on" in errors
  assert "Traceback" not in errors
  left = {path.name for path in out.iterdir()}
  assert left <= {"settings.json", "lamp", "attic"}  # whole scenes, or nothing of them
  for scene in left - {"settings.json"}:
    assert (out / scene / "manifest.jsonl").is_file()
  assert command.run(shoot, out, Settings(crops="none"), processes=1).kept == 12
