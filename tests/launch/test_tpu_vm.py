"""launch/tpu_vm.sh: what it would ask gcloud for; and with a stand-in for gcloud, a whole life."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

LAUNCH = Path(__file__).parents[2] / "launch"
WHERE = ("--name=tpu", "--zone=us-west4-a")
QUEUE = "gcloud compute tpus queued-resources"
VM = "gcloud compute tpus tpu-vm"


def commands(text):
  """Printed commands as lists of words, as bash reads them."""
  show = "gcloud() { printf '%s\\0' gcloud \"$@\"; printf '\\1'; }\n"
  read = subprocess.run(["bash", "-c", show + text], capture_output=True, text=True, check=True)
  return [command.split("\0")[:-1] for command in read.stdout.split("\1")[:-1]]


@pytest.mark.parametrize(
  ("type_", "version"),
  [
    ("v5litepod-16", "v2-alpha-tpuv5-lite"),
    ("v6e-8", "v2-alpha-tpuv6e"),
    ("v5p-8", "v2-alpha-tpuv5"),
    ("v4-32", "tpu-ubuntu2204-base"),
  ],
)
def test_create_asks_for_a_queued_resource(launch, type_, version):
  done = launch(
    "tpu_vm.sh", "create", *WHERE, f"--type={type_}", "--spot", "--project=p", "--dry-run"
  )
  assert done.returncode == 0, done.stderr
  assert done.stdout == (
    f"{QUEUE} create tpu --zone=us-west4-a --project=p --node-id=tpu --accelerator-type={type_} "
    f"--runtime-version={version} --spot --async\n"
  )
  assert done.stderr.startswith(f"{QUEUE} describe tpu --zone=us-west4-a --project=p --format=")


def test_ship_reaches_all_workers_after_the_setup(launch):
  done = launch("tpu_vm.sh", "ship", *WHERE, "--setup=sudo mount a:/b /mnt", "--dry-run")
  copy, install = done.stdout.splitlines()
  assert copy == f"{VM} scp llve_jax.tar.gz tpu:llve_jax.tar.gz --zone=us-west4-a --worker=all"
  assert install.startswith(f"{VM} ssh tpu --zone=us-west4-a --worker=all $'--command=")
  order = [
    "sudo mount a:/b /mnt",
    "tar -xzf",
    "uv venv",
    "--constraint requirements.lock",
    ".[tpu]",
  ]
  places = [install.index(part) for part in order]
  assert places == sorted(places)


@pytest.mark.parametrize(
  ("action", "arguments", "command"),
  [
    ("status", [], [*VM.split(), "ssh", "tpu", "--zone=us-west4-a", "--worker=all"]),
    ("stop", [], [*VM.split(), "ssh", "tpu", "--zone=us-west4-a", "--worker=all"]),
    ("logs", ["--worker=3"], [*VM.split(), "ssh", "tpu", "--zone=us-west4-a", "--worker=3"]),
    ("delete", [], [*QUEUE.split(), "delete", "tpu", "--zone=us-west4-a", "--quiet", "--force"]),
  ],
)
def test_the_other_actions(launch, action, arguments, command):
  done = launch("tpu_vm.sh", action, *WHERE, *arguments, "--dry-run")
  (found,) = commands(done.stdout)
  assert found[: len(command)] == command


def test_run_keeps_words(launch):
  done = launch("tpu_vm.sh", "run", *WHERE, "--dry-run", "--", "python", "a  b", "--x='y'")
  (found,) = commands(done.stdout)
  inner = found[-1].removeprefix("--command=")
  assert shlex.split(inner.partition(" -- ")[2]) == ["python", "a  b", "--x='y'"]


def test_resume_shows_all_of_it(launch):
  done = launch("tpu_vm.sh", "resume", *WHERE, "--type=v5litepod-16", "--dry-run", "--", "a")
  verbs = [" ".join(words[3:5]) for words in commands(done.stdout)]
  assert verbs == [
    "queued-resources create",
    "tpu-vm scp",
    "tpu-vm ssh",
    "tpu-vm ssh",
    "tpu-vm ssh",
  ]


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["--name=a"], "unknown action '--name=a'"),
    (["start"], "unknown action 'start'"),
    (["create"], "--name=NAME is needed"),
    (["create", "--name=a"], "--zone=ZONE is needed"),
    (["create", *WHERE], "--type=TYPE is needed"),
    (["create", *WHERE, "--type=h100"], "no TPU software version known for --type=h100"),
    (["create", *WHERE, "--type=v4-8", "--", "a"], "create takes no command"),
    (["run", *WHERE], "no command"),
    (["logs", *WHERE, "--worker=all"], "--worker needs a whole number, found 'all'"),
    (["status", *WHERE, "--spit"], "unexpected argument '--spit'"),
  ],
)
def test_bad_input(launch, arguments, message):
  done = launch("tpu_vm.sh", *arguments, "--dry-run")
  assert done.returncode == 2
  assert message in done.stderr
  assert not done.stdout


# A cloud of two hosts: folders below $CLOUD, which are there while the state is ACTIVE.
GCLOUD = r"""#!/usr/bin/env bash
set -eu
echo "$3 $4" >>"$CLOUD/calls"
for word; do
  case $word in --command=*) remote=${word#--command=} ;; esac
done
hosts() { for host in 0 1; do echo "$CLOUD/host$host"; done; }
case "$3 $4" in
  'queued-resources create')
    echo ACTIVE >"$CLOUD/state"
    for home in $(hosts); do
      mkdir -p "$home/.local/bin"
      uv=$home/.local/bin/uv
      printf '#!/bin/sh\n[ "$1" = pip ] || { for p; do :; done; mkdir -p "$p/bin"; }\n' >"$uv"
      chmod +x "$uv"
    done
    ;;
  'queued-resources describe')
    [[ -e $CLOUD/state ]] || { echo 'ERROR: NOT_FOUND: Resource was not found' >&2; exit 1; }
    cat "$CLOUD/state"
    ;;
  'queued-resources delete') rm -rf "$CLOUD/state" "$CLOUD"/host* ;;
  'tpu-vm scp') for home in $(hosts); do cp "$5" "$home/llve_jax.tar.gz"; done ;;
  'tpu-vm ssh')
    [[ $(cat "$CLOUD/state") == ACTIVE ]] || exit 255
    code=0
    for home in $(hosts); do (cd "$home" && HOME=$home bash -c "$remote") || code=$?; done
    exit $code
    ;;
esac
"""


def take_away(folder):
  """Kills what runs on the hosts of the stand-in."""
  for path in folder.glob("host*/llve_run/pid"):
    if not path.with_name("status").exists():
      with contextlib.suppress(ProcessLookupError):
        os.killpg(int(path.read_text()), signal.SIGKILL)


@pytest.fixture
def cloud(script, tmp_path):
  """Starts `tpu_vm.sh resume` of a small repository on the stand-in; returns folder and process."""
  tools = script("gcloud", GCLOUD)
  folder = tmp_path / "cloud"
  folder.mkdir()
  repository = tmp_path / "repository"
  shutil.copytree(LAUNCH, repository / "launch")
  git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b"]
  for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "a"]):
    subprocess.run([*git, *arguments], check=True)
  started = []

  def resume(program, *options):
    words = ["--type=v4-16", "--poll=0", *options, "--", "bash", "-c", program]
    process = subprocess.Popen(
      ["bash", str(repository / "launch" / "tpu_vm.sh"), "resume", *WHERE, *words],
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
      env={**os.environ, "CLOUD": str(folder), "PATH": f"{tools}:{os.environ['PATH']}"},
    )
    started.append(process)
    return folder, process

  yield resume
  for process in started:
    if process.poll() is None:
      process.kill()
      process.wait()
  take_away(folder)


STARTS = 'starts=$CLOUD/starts.$(basename "$HOME"); echo >>"$starts"; n=$(wc -l <"$starts"); '


def test_a_run_survives_a_preemption_and_a_lost_host(cloud):
  lives = "case $n in 1) sleep 60 ;; 2) exit 75 ;; 3) exit 76 ;; esac; sleep 1"
  folder, process = cloud(STARTS + lives)
  starts = [folder / "starts.host0", folder / "starts.host1"]
  while not all(path.exists() for path in starts):
    time.sleep(0.05)
    assert process.poll() is None
  (folder / "state").write_text("SUSPENDED\n")  # taken away
  take_away(folder)
  printed, _ = process.communicate(timeout=20)
  assert process.returncode == 0, printed
  assert [path.read_text() for path in starts] == ["\n" * 4] * 2
  calls = (folder / "calls").read_text().splitlines()
  assert calls.count("queued-resources create") == 2
  assert calls.count("queued-resources delete") == 1
  assert calls.count("tpu-vm scp") == 2
  assert "ended with 75" in printed
  assert "ended with 76" in printed


@pytest.mark.parametrize(("status", "starts"), [(3, 2), (2, 1)])
def test_a_crash_is_tried_again_and_bad_input_is_not(cloud, status, starts):
  folder, process = cloud(f"{STARTS} exit {status}", "--restarts=1")
  printed, _ = process.communicate(timeout=20)
  assert process.returncode == status, printed
  assert (folder / "starts.host0").read_text() == "\n" * starts


def test_a_run_that_goes_on_is_joined(cloud):
  folder, first = cloud(STARTS + "sleep 3")
  while not (folder / "starts.host1").exists():
    time.sleep(0.05)
    assert first.poll() is None
  first.kill()  # the supervisor, not the run
  first.communicate()
  _, second = cloud("exit 1")
  printed, _ = second.communicate(timeout=20)
  assert second.returncode == 0, printed
  assert (folder / "starts.host0").read_text() == "\n"
