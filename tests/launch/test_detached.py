"""launch/detached.sh: a command that outlives its caller."""

import subprocess
import time

STOPPABLE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
print("ready", flush=True)
time.sleep(60)
"""


def test_a_command_from_start_to_end(launch, tmp_path):
  folder = tmp_path / "a run"
  assert launch("detached.sh", "status", folder).stdout == "none\n"
  say = 'sleep 0.5; echo "[$1]"; exit 3'
  begun = launch("detached.sh", "start", folder, "--", "bash", "-c", say, "x", "a  b")
  assert (begun.returncode, begun.stdout) == (0, "started\n")
  assert launch("detached.sh", "status", folder).stdout == "running\n"
  followed = launch("detached.sh", "follow", folder)
  assert (followed.returncode, followed.stdout) == (3, "[a  b]\n")
  assert launch("detached.sh", "status", folder).stdout == "ended 3\n"
  again = launch("detached.sh", "start", folder, "--", "true")
  assert again.returncode == 0  # what has ended makes room
  assert launch("detached.sh", "follow", folder).returncode == 0


def test_one_at_a_time_and_a_stop_that_lets_it_save(launch, tmp_path, python):
  launch("detached.sh", "start", tmp_path / "run", "--", *python(STOPPABLE))
  second = launch("detached.sh", "start", tmp_path / "run", "--", "true")
  assert second.returncode == 2
  assert "a command runs there already" in second.stderr
  while "ready" not in (tmp_path / "run" / "log").read_text():
    time.sleep(0.05)
  assert launch("detached.sh", "stop", tmp_path / "run").stdout == "ended 75\n"
  assert launch("detached.sh", "stop", tmp_path / "run").stdout == "ended 75\n"


def test_a_stop_does_not_wait_for_ever(launch, tmp_path):
  deaf = "trap '' TERM; sleep 61 & echo $!; sleep 62; sleep 63"
  folder = tmp_path / "run"
  launch("detached.sh", "start", folder, "--", "bash", "-c", deaf)
  while not (child := (folder / "log").read_text().strip()):
    time.sleep(0.05)
  begun = time.monotonic()
  assert launch("detached.sh", "stop", folder, "1").stdout == "ended 137\n"
  assert 0.9 < time.monotonic() - begun < 8
  # What it had started has gone too; nobody may have fetched its status yet.
  found = subprocess.run(["ps", "-o", "stat=", "-p", child], capture_output=True, text=True)
  assert found.stdout.strip() in ("", "Z")


def test_a_command_that_was_killed_has_ended(launch, tmp_path):
  launch("detached.sh", "start", tmp_path, "--", "bash", "-c", "kill -9 $$")
  assert launch("detached.sh", "follow", tmp_path).returncode == 137
  (tmp_path / "status").unlink()  # as if the machine had been started anew
  assert launch("detached.sh", "status", tmp_path).stdout == "ended 137\n"


def test_bad_input(launch, tmp_path):
  for arguments, message in [
    ([], "expected an action and a folder"),
    (["start", tmp_path], "no command"),
    (["stop", tmp_path, "soon"], "SECONDS is a whole number, found 'soon'"),
    (["begin", tmp_path], "unknown action 'begin'"),
    (["follow", tmp_path], "nothing was started there"),
  ]:
    done = launch("detached.sh", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
