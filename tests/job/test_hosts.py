"""Real processes on this machine, talking over 127.0.0.1."""

import re
import signal

import pytest

from llve_jax.job import hosts
from tests import processes

JOIN = """
import os, signal, sys, time
import jax, numpy as np
from llve_jax.errors import UserError
from llve_jax.job import agree, hosts
cluster = hosts.find_cluster(os.environ)
me = cluster.process
def say(*words):
  print(*words, flush=True)
def mesh():
  return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
"""


def job(script: str, count: int = 2, **options: object) -> list[processes.Ended]:
  return processes.run(JOIN + script, count, **options)  # type: ignore[arg-type]


def test_one_process_needs_nothing() -> None:
  assert hosts.is_writer()
  assert hosts.asked() == ""
  hosts.ask("maintenance")
  hosts.finish()
  with pytest.raises(KeyError), hosts.joined(None):
    raise KeyError


def test_processes_ask_and_end_together() -> None:
  ended = job(
    """
with hosts.joined(cluster, wait=30, heartbeat=10):
  say("devices", jax.device_count(), "writer", hosts.is_writer())
  if me == 1:
    hosts.ask("SIGTERM")
  else:
    while not hosts.asked():
      time.sleep(0.01)
    say("asked", hosts.asked())
say("after")
""",
    devices=2,
  )
  for process, one in enumerate(ended):
    assert one.code == 0, one.err
    lines = processes.own_lines(one.out)
    assert lines[0] == f"devices 4 writer {process == 0}"
    assert lines[-1] == "after"
  assert "asked process 1: SIGTERM" in ended[0].out


BUSY = """
work = jax.jit(lambda x: x.sum(), out_shardings=jax.sharding.NamedSharding(m, P()))
values = jax.make_array_from_callback(
  (8, 1000), jax.sharding.NamedSharding(m, P("data")), lambda index: np.ones((8, 1000))[index]
)
for step in range(100_000):
  work(values).block_until_ready()
  if me == dies and step == 200:
    os.kill(os.getpid(), signal.SIGKILL)
"""
ASLEEP = """
agree.which_processes(False)
if me == dies:
  os.kill(os.getpid(), signal.SIGKILL)
time.sleep(40)
"""


@pytest.mark.parametrize("dies", [0, 1])
@pytest.mark.parametrize("occupation", [BUSY, ASLEEP], ids=["busy", "asleep"])
def test_a_lost_process_ends_the_others_with_one_line(dies: int, occupation: str) -> None:
  script = f"""
from jax.sharding import PartitionSpec as P
dies = {dies}
with hosts.joined(cluster, wait=30, heartbeat=4):
  m = mesh()
"""
  ended = job(script + "\n".join("  " + line for line in occupation.splitlines()))
  assert ended[dies].code == -signal.SIGKILL
  left = ended[1 - dies]
  assert left.code == hosts.EXIT_LOST == 76, left.err
  lines = [line for line in left.err.splitlines() if not line.startswith(("I", "[Gloo]"))]
  assert len(lines) == 1, left.err
  assert re.fullmatch(
    rf"error: process {dies} of 2 was lost: .*; start the job again, it goes on from the last "
    "checkpoint",
    lines[0],
  )
  assert left.seconds < 20


def test_a_host_that_falls_silent_is_lost_after_the_heartbeat() -> None:
  with processes.started(
    JOIN
    + """
with hosts.joined(cluster, wait=30, heartbeat=2):
  agree.which_processes(False)
  say("here")
  time.sleep(40)
""",
    2,
  ) as running:
    assert running[1].stdout is not None
    assert running[1].stdout.readline() == "here\n"
    running[1].send_signal(signal.SIGSTOP)
    _, err = running[0].communicate(timeout=15)
    assert running[0].returncode == 76
    assert "process 1 of 2 was lost: nothing was heard from it for 2 s" in err


@pytest.mark.parametrize(
  ("error", "code", "reason"),
  [
    ('UserError("the disk is full")', 2, "UserError: the disk is full"),
    ('ValueError("of all")', 1, "ValueError: of all"),
    ("SystemExit(7)", 7, "SystemExit: 7"),
  ],
)
@pytest.mark.parametrize("fails", [0, 1])
def test_an_error_in_one_process_ends_all_with_its_status(
  fails: int, error: str, code: int, reason: str
) -> None:
  ended = job(
    f"""
from llve_jax.job import lifeline
hosts._BLAME_SECONDS = lifeline._GRACE_SECONDS = 0.1
with hosts.joined(cluster, wait=30, heartbeat=10):
  agree.which_processes(False)
  if me == {fails}:
    raise {error}
  time.sleep(40)
"""
  )
  assert [one.code for one in ended] == [code, code], ended
  line = f"error: process {fails} of 2 ended with status {code}, and so does this one: {reason}"
  assert [one for one in ended[1 - fails].err.splitlines() if "error" in one] == [line]


def test_processes_that_do_not_come_are_no_bad_input() -> None:
  with processes.started(
    JOIN
    + """
if me == 2:
  time.sleep(40)
with hosts.joined(cluster, wait=2):
  pass
""",
    3,
  ) as running:
    errors = [one.communicate(timeout=90)[1] for one in running[:2]]
    assert [one.returncode for one in running[:2]] == [76, 76], errors
  for said in errors:
    (line,) = said.splitlines()
    assert line.startswith("error: 2 of 3 processes came within 2 s; missing: 2. Start one on")


def test_a_job_of_one_host_is_not_seen_from_outside() -> None:
  """Neither during the roll call nor afterwards, where it is JAX that listens."""
  listening = """
def listening():
  port = cluster.address[1]
  rows = [line.split() for name in ("tcp", "tcp6") for line in open(f"/proc/net/{name}")]
  found = {row[1] for row in rows if row[3] == "0A"}
  return sorted(at for at in found if int(at.rpartition(":")[2], 16) == port)
"""
  ended = job(
    listening
    + """
if me == 1:
  while not listening():
    time.sleep(0.02)
  say("roll call", listening())
with hosts.joined(cluster, wait=30, heartbeat=10):
  agree.which_processes(False)
  say("job", listening())
"""
  )
  assert [one.code for one in ended] == [0, 0], ended
  lines = [line.rpartition(":")[0] for line in processes.own_lines(ended[1].out)]
  mapped = "0000000000000000FFFF0000"  # as gRPC binds it, in IPv6's table
  assert [line.replace(mapped, "") for line in lines] == [
    "roll call ['0100007F",  # 127.0.0.1, little-endian
    "job ['0100007F",
  ]


def test_the_same_error_in_all_processes_is_not_blamed_on_another_one() -> None:
  ended = job(
    """
with hosts.joined(cluster, wait=30, heartbeat=10):
  agree.which_processes(False)
  time.sleep(0.5 * me)
  raise UserError("no such data set")
"""
  )
  assert [one.code for one in ended] == [2, 2], ended
  assert all("error: no such data set" in one.err for one in ended)


def test_what_does_not_fit_is_an_error_of_all() -> None:
  ended = job(
    """
with hosts.joined(cluster, wait=30, same={"config": "ab"[me]}):
  pass
"""
  )
  for one in ended:
    assert "UserError: process 1 has another config than process 0: 'b', expected 'a'" in one.err
    assert one.code == 1
