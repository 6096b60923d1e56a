"""Starts real processes that form one job, and sees that none is left."""

import contextlib
import dataclasses
import os
import re
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The pieces in which Gloo prints of its connections. Its threads write into each other's lines, so
# that any run of them, a single number too, may stand on a line or before one of ours.
_GLOO = re.compile(
  r"^(\[Gloo\] Rank | is connected to | peer ranks\. |"
  r"Expected number of connected peer ranks is : |\d+)+"
)


def own_lines(out: str) -> list[str]:
  """What is not Gloo's, by lines; ours must not begin with a digit."""
  lines = (_GLOO.sub("", line) for line in out.splitlines())
  return [line for line in lines if line]


@dataclasses.dataclass(frozen=True)
class Ended:
  """A process that has ended.

  Attributes:
    code: exit status; negative: the signal that killed it.
    out: what it printed.
    err: the same on stderr.
    seconds: from the start of all until the end of this one, or a little more.
  """

  code: int
  out: str
  err: str
  seconds: float


def free_port() -> int:
  with socket.create_server(("127.0.0.1", 0)) as listener:
    port: int = listener.getsockname()[1]
  return port


def variables(port: int, count: int, process: int, devices: int) -> dict[str, str]:
  """The environment of one of `count` processes with that many CPU devices each."""
  flags = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if "device_count" not in flag]
  return {
    **os.environ,
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": " ".join([*flags, f"--xla_force_host_platform_device_count={devices}"]),
    "LLVE_COORDINATOR": f"127.0.0.1:{port}",
    "LLVE_NUM_PROCESSES": str(count),
    "LLVE_PROCESS_ID": str(process),
  }


@contextlib.contextmanager
def started(
  command: list[str] | str,
  count: int,
  *,
  devices: int = 1,
  each: Callable[[int], Mapping[str, str]] = lambda process: {},
) -> Iterator[list[subprocess.Popen[str]]]:
  """Starts `count` processes; those that still run at the end are killed.

  Args:
    command: arguments, or the source of a Python script.
    count: of processes.
    devices: of each.
    each: changes to the environment of a process.
  """
  if isinstance(command, str):
    command = [sys.executable, "-c", textwrap.dedent(command)]
  port = free_port()
  running = []
  try:
    for process in range(count):
      environ = {**variables(port, count, process, devices), **each(process)}
      running.append(
        subprocess.Popen(
          command,
          cwd=ROOT,
          env=environ,
          stdin=subprocess.DEVNULL,
          stdout=subprocess.PIPE,
          stderr=subprocess.PIPE,
          text=True,
        )
      )
    yield running
  finally:
    for one in running:
      one.kill()
      one.communicate()


def run(
  command: list[str] | str,
  count: int,
  *,
  devices: int = 1,
  each: Callable[[int], Mapping[str, str]] = lambda process: {},
  timeout: float = 60.0,
) -> list[Ended]:
  """The same, and waits for all of them; an error if one still runs after `timeout` seconds."""
  begun = time.monotonic()
  with started(command, count, devices=devices, each=each) as running:
    ended = []
    for one in running:
      out, err = one.communicate(timeout=max(1.0, timeout - (time.monotonic() - begun)))
      ended.append(Ended(one.returncode, out, err, time.monotonic() - begun))
    return ended
