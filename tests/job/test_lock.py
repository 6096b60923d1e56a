import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from llve_jax.errors import UserError
from llve_jax.job import lock
from llve_jax.job.lock import locked, writable_folder

HOLD = """
import sys
from llve_jax.job.lock import locked
with locked(sys.argv[1]):
  print("held", flush=True)
  sys.stdin.readline()
"""


def hold(folder: Path) -> subprocess.Popen:
  process = subprocess.Popen(
    [sys.executable, "-c", HOLD, str(folder)],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  assert process.stdout is not None
  assert process.stdout.readline() == "held\n"
  return process


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_a_second_process_is_refused_until_the_first_ends(tmp_path: Path, end: int | None) -> None:
  folder = tmp_path / "run"
  first = hold(folder)
  try:
    with pytest.raises(UserError) as error, locked(folder):
      pass
    message = str(error.value)
    assert str(folder) in message
    assert f"process {first.pid} on {socket.gethostname()} since 20" in message
    assert "wait for it, stop it, or give another --workdir" in message
  finally:
    if end is None:
      first.communicate("\n")
    else:
      first.send_signal(end)
      first.wait()
  with locked(folder):
    assert json.loads((folder / "lock").read_text())["pid"] == os.getpid()


def test_the_same_process_is_refused_too(tmp_path: Path) -> None:
  with locked(tmp_path), pytest.raises(UserError, match=f"process {os.getpid()} "):
    locked(tmp_path).__enter__()


def test_an_error_releases_it(tmp_path: Path) -> None:
  with pytest.raises(KeyError), locked(tmp_path):
    raise KeyError
  with locked(tmp_path):
    pass


def test_children_do_not_hold_it(tmp_path: Path) -> None:
  with locked(tmp_path):
    started = subprocess.Popen(["sleep", "60"], close_fds=False)
    read, write = os.pipe()
    if (forked := os.fork()) == 0:  # pragma: no cover
      os.write(write, b".")
      signal.pause()
    os.read(read, 1)
  try:
    with locked(tmp_path):
      pass
  finally:
    started.kill()
    started.wait()
    os.kill(forked, signal.SIGKILL)
    os.waitpid(forked, 0)
    os.close(read)
    os.close(write)


def test_the_end_of_a_forked_child_does_not_release_it(tmp_path: Path) -> None:
  with locked(tmp_path):
    if (child := os.fork()) == 0:  # pragma: no cover
      os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(UserError, match="in use"), locked(tmp_path):
      pass


def test_a_holder_that_has_not_yet_said_who_it_is(tmp_path: Path) -> None:
  with locked(tmp_path):
    (tmp_path / "lock").write_text("")
    with (
      pytest.raises(UserError, match="in use by another process that has just"),
      locked(tmp_path),
    ):
      pass


def test_a_file_system_without_locks(
  tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
  def refuse(*_: int) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

  monkeypatch.setattr(lock.fcntl, "flock", refuse)
  with locked(tmp_path):
    pass
  line = capsys.readouterr().err
  assert line.startswith(f"warning: {tmp_path}: this file system has no locks")
  assert line.count("\n") == 1


def test_a_lock_that_is_no_file(tmp_path: Path) -> None:
  (tmp_path / "lock").mkdir()
  with pytest.raises(UserError, match=r"lock: cannot be opened \(Is a directory\)"):
    locked(tmp_path).__enter__()


@pytest.mark.parametrize("address", ["gs://bucket/run", Path("gs://bucket/run"), "s3://b/x"])
def test_addresses_are_refused(address: str | Path) -> None:
  with pytest.raises(UserError, match="an address; expected a folder that all hosts see"):
    writable_folder(address)


def test_a_file_in_the_way(tmp_path: Path) -> None:
  (tmp_path / "file").write_text("x")
  for folder in (tmp_path / "file", tmp_path / "file" / "run"):
    with pytest.raises(UserError, match="cannot be written") as error:
      writable_folder(folder)
    assert str(folder) in str(error.value)
    assert "--workdir" in str(error.value)
  assert (tmp_path / "file").read_text() == "x"


def test_a_full_disk(tmp_path: Path) -> None:
  code = (
    "import resource, sys\n"
    "from llve_jax.job.lock import writable_folder\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    "writable_folder(sys.argv[1])\n"
  )
  result = subprocess.run(
    [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
  )
  assert f"UserError: {tmp_path}: cannot be written (File too large)" in result.stderr
  assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_a_longer_note(tmp_path: Path) -> None:
  (tmp_path / "lock").write_text("x" * 500)
  with locked(tmp_path):
    assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
