"""launch/local.sh: really several processes."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

LOCAL = Path(__file__).parents[2] / "launch" / "local.sh"

STOPPABLE = """
import os, pathlib, signal, sys, time
def stop(*_):
  print("saved", flush=True)
  time.sleep(float(os.environ["LLVE_PROCESS_ID"]))  # process 1 is a second behind process 0
  print("ended", flush=True)
  sys.exit(75)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
print("ready", flush=True)
time.sleep(60)
"""


def test_every_process_knows_who_it_is_and_words_stay_words(launch):
  show = 'echo "$LLVE_PROCESS_ID of $LLVE_NUM_PROCESSES at $LLVE_COORDINATOR: $1, $2"'
  done = launch("local.sh", "-n", "3", "--", "bash", "-c", show, "x", "two  words", "'\"*")
  assert done.returncode == 0, done.stderr
  lines = sorted(done.stdout.splitlines())
  (port,) = set(re.findall(r"127\.0\.0\.1:(\d+)", done.stdout))
  assert lines == [f"[{i}] {i} of 3 at 127.0.0.1:{port}: two  words, '\"*" for i in range(3)]


def test_both_outputs_and_a_last_line_without_an_end_are_printed(launch):
  done = launch("local.sh", "-n1", "bash", "-c", "echo one >&2; printf two")
  assert done.stdout.split("\n")[:2] == ["[0] one", "[0] two"]


def test_devices_are_asked_for_only_if_told(launch):
  show = 'echo "$JAX_PLATFORMS $XLA_FLAGS"'
  kept = {"JAX_PLATFORMS": "", "XLA_FLAGS": "--a"}
  plain = launch("local.sh", "-n", "1", "--", "bash", "-c", show, **kept)
  assert plain.stdout == "[0]  --a\n"
  asked = launch("local.sh", "-n", "1", "--devices=4", "--", "bash", "-c", show, **kept)
  assert asked.stdout == "[0] cpu --a --xla_force_host_platform_device_count=4\n"


@pytest.mark.parametrize("status", [1, 2, 75, 76])
def test_the_status_of_the_first_that_failed_is_kept(launch, status):
  fail = f"[[ $LLVE_PROCESS_ID == 1 ]] && exit {status}; sleep 60"
  begun = time.monotonic()
  done = launch("local.sh", "-n", "2", "--grace=1", "--", "bash", "-c", fail)
  assert done.returncode == status
  assert time.monotonic() - begun < 10  # the one that sleeps was ended


def test_one_that_does_not_listen_is_killed_with_what_it_started(launch, tmp_path):
  stubborn = (
    "[[ $LLVE_PROCESS_ID == 1 ]] && exit 9; trap '' TERM; sleep 60 & echo $! >pid; wait; wait"
  )
  done = launch("local.sh", "-n", "2", "--grace=1", "--", "bash", "-c", stubborn, cwd=tmp_path)
  assert done.returncode == 9
  pid = int((tmp_path / "pid").read_text())
  time.sleep(0.2)
  status = Path(f"/proc/{pid}/stat")
  assert not status.exists() or status.read_text().split()[2] == "Z"


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_all_and_none_is_cut_short(python, which):
  command = ["bash", str(LOCAL), "-n", "2", "--restarts=3", "--", *python(STOPPABLE)]
  process = subprocess.Popen(
    command,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    # As a terminal does: a shell that runs the tests in the background may have had it ignored.
    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
  )
  assert process.stdout is not None
  printed = [process.stdout.readline() for _ in range(2)]
  assert sorted(printed) == ["[0] ready\n", "[1] ready\n"]
  process.send_signal(which)
  rest, _ = process.communicate(timeout=30)
  assert process.returncode == 75
  for line in ("[0] saved", "[1] saved", "[0] ended", "[1] ended"):
    assert rest.splitlines().count(line) == 1
  assert "start 2" not in rest


def test_a_lost_process_starts_all_again_and_a_stop_does_not(launch, tmp_path):
  count = 'echo "$LLVE_PROCESS_ID" >>starts; [[ $(grep -c 0 starts) == 3 ]] || exit $1; sleep 0.5'
  lost = launch(
    "local.sh", "-n", "2", "--restarts=2", "--", "bash", "-c", count, "x", "76", cwd=tmp_path
  )
  assert lost.returncode == 0, lost.stderr
  assert (tmp_path / "starts").read_text().count("0") == 3
  (tmp_path / "starts").unlink()
  asked = launch(
    "local.sh", "-n", "1", "--restarts=2", "--", "bash", "-c", count, "x", "75", cwd=tmp_path
  )
  assert asked.returncode == 75
  assert (tmp_path / "starts").read_text() == "0\n"


def test_restarts_come_to_an_end(launch, tmp_path):
  done = launch(
    "local.sh", "-n1", "--restarts=1", "--", "bash", "-c", "echo >>starts; kill -9 $$", cwd=tmp_path
  )
  assert done.returncode == 137
  assert (tmp_path / "starts").read_text() == "\n\n"


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["-n", "two", "--", "true"], "-n needs a whole number from 1 on, found 'two'"),
    (["-n", "0", "--", "true"], "-n needs a whole number from 1 on, found '0'"),
    (["--", "true"], "-n needs a whole number from 1 on, found ''"),
    (["-n"], "-n needs a whole number from 1 on, found ''"),
    (["-n", "2"], "no command"),
    (["-n", "2", "--devices=x", "--", "true"], "--devices needs a whole number"),
    (["-n", "2", "--restarts=-1", "--", "true"], "--restarts needs a whole number from 0 on"),
    (["-n", "2", "--device=3", "--", "true"], "unknown option --device=3"),
  ],
)
def test_bad_input(launch, arguments, message):
  done = launch("local.sh", *arguments)
  assert done.returncode == 2
  assert done.stderr.startswith("error: ")
  assert message in done.stderr
  assert len(done.stderr.splitlines()) == 1


def test_a_command_that_is_not_there(launch):
  done = launch("local.sh", "-n", "1", "--", "no_such_command")
  assert done.returncode == 127
  assert "no_such_command" in done.stdout


SUM = """
import os
import jax
own = [os.environ[f"LLVE_{name}"] for name in ("COORDINATOR", "NUM_PROCESSES", "PROCESS_ID")]
jax.distributed.initialize(own[0], int(own[1]), int(own[2]))
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
mesh = Mesh(np.array(jax.devices()), ("data",))
mine = np.arange(2, dtype=np.float32) + 2 * jax.process_index()
x = jax.make_array_from_process_local_data(NamedSharding(mesh, P("data")), mine)
total = jax.jit(
  jax.shard_map(lambda x: jax.lax.psum(x, "data"), mesh=mesh, in_specs=P("data"), out_specs=P())
)(x)
told = [jax.process_count(), jax.device_count(), jax.local_device_count(), *total.tolist()]
with open(f"told{jax.process_index()}", "w") as file:  # others print to the output, too
  print(*told, file=file)
"""


def test_two_real_processes_of_jax_sum_over_both(launch, python, tmp_path):
  flags = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
  done = launch("local.sh", "-n", "2", "--devices=2", "--", *python(SUM), cwd=tmp_path, **flags)
  assert done.returncode == 0, done.stdout + done.stderr
  for process in range(2):
    assert (tmp_path / f"told{process}").read_text() == "2 4 2 6.0\n"


def test_the_port_is_free(launch):
  """What a process of the job then binds."""
  bind = (
    "import os, socket; h, p = os.environ['LLVE_COORDINATOR'].split(':'); "
    "socket.socket().bind((h, int(p)))"
  )
  assert launch("local.sh", "-n1", "--", "python3", "-c", bind).returncode == 0


def test_help_needs_no_command(launch):
  done = launch("local.sh", "--help")
  assert done.returncode == 0
  assert done.stdout.startswith("usage: launch/local.sh -n N")
  assert os.access(LOCAL, os.X_OK)
