"""Runs `python -m MODULE ...` as a process of its own, without the seconds that imports take.

For commands that end before a device is used: refusals, and what only reads and prints. One that
computes is to be started anew (`subprocess.run`): XLA may hang where it compiles in a fork.

A server, one per worker of pytest, imports other people's packages once and forks for each command:
the process that runs it is as fresh as any, but for those. It imports nothing of this repository,
and starts no device before it forks.
"""

import atexit
import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
# Read when JAX is imported: a command that wants others gets a process that imports it anew.
_AT_IMPORT = ("JAX_", "PYTHON", "TF_")
_SERVER = """
import json, os, sys
import av, cv2, flax.linen, grain, jax, ml_collections, optax, orbax.checkpoint, safetensors
import tensorboardX, absl.app, absl.flags, PIL.Image, scipy.ndimage
sys.path.remove("") if "" in sys.path else None
from tests import commands
commands.serve(sys.stdin, sys.stdout)
"""


def run(
  module: str,
  *arguments: str,
  cwd: str | os.PathLike[str] = ROOT,
  env: Mapping[str, str] | None = None,
  timeout: float = 280.0,
) -> subprocess.CompletedProcess[str]:
  """What `python -m module` does with the arguments; like `subprocess.run`, in text."""
  env = dict(os.environ if env is None else env)
  command = [sys.executable, "-m", module, *arguments]
  if _fixed(env) != _fixed(os.environ):
    return subprocess.run(
      command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False
    )
  with tempfile.TemporaryDirectory() as folder:
    out, err = (Path(folder) / name for name in ("out", "err"))
    asked = {"module": module, "arguments": arguments, "cwd": str(cwd), "env": env}
    asked |= {"out": str(out), "err": str(err), "timeout": timeout}
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(asked) + "\n")
    server.stdin.flush()
    code = json.loads(server.stdout.readline())
    if code is None:
      raise subprocess.TimeoutExpired(command, timeout, out.read_text(), err.read_text())
    return subprocess.CompletedProcess(command, code, out.read_text(), err.read_text())


def _fixed(env: Mapping[str, str]) -> dict[str, str]:
  return {name: value for name, value in env.items() if name.startswith(_AT_IMPORT)}


@functools.cache
def _server() -> subprocess.Popen[str]:
  environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), *_path()]))}
  server = subprocess.Popen(
    [sys.executable, "-c", _SERVER],
    env=environ,
    cwd=ROOT,
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  atexit.register(_end, server)
  return server


def _path() -> list[str]:
  return os.environ.get("PYTHONPATH", "").split(os.pathsep)


def _end(server: subprocess.Popen[str]) -> None:
  assert server.stdin is not None
  with contextlib.suppress(OSError):
    server.stdin.close()
  server.wait(10)


def serve(requests: IO[str], answers: IO[str]) -> None:
  """In the server: forks for each request, and answers with its exit status, None if too late."""
  import signal
  import time

  for line in requests:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
      _become(asked)
    deadline, code = time.monotonic() + asked["timeout"], None
    while code is None and time.monotonic() < deadline:
      done, status = os.waitpid(child, os.WNOHANG)
      code = os.waitstatus_to_exitcode(status) if done else None
      time.sleep(0.01)
    if code is None:
      os.kill(child, signal.SIGKILL)
      os.waitpid(child, 0)
    answers.write(json.dumps(code) + "\n")
    answers.flush()


def _become(asked: dict[str, Any]) -> None:
  """In the fork: the command, with streams, folder and environment of its own."""
  import runpy
  import threading
  import traceback

  os.chdir(asked["cwd"])
  os.environ.clear()
  os.environ.update(asked["env"])
  nothing = os.open(os.devnull, os.O_RDONLY)
  os.dup2(nothing, 0)
  for descriptor, name in ((1, "out"), (2, "err")):
    file = os.open(asked[name], os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(file, descriptor)
    os.close(file)
  sys.stdin = open(0)  # noqa: SIM115
  sys.stdout, sys.stderr = open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
  for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
    del sys.modules[name]
  paths = [path for path in sys.path if path != str(ROOT)]
  given = asked["env"].get("PYTHONPATH", "").split(os.pathsep)
  sys.path[:] = [asked["cwd"], *([str(ROOT)] if str(ROOT) in given else []), *paths]
  sys.argv = [asked["module"], *_texts(asked["arguments"])]
  code = 0
  try:
    runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)
  except SystemExit as left:
    code = _status(left.code)
  except BaseException:
    traceback.print_exc()
    code = 1
  threading._shutdown()  # type: ignore[attr-defined]
  atexit._run_exitfuncs()
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)


def _texts(arguments: Sequence[Any]) -> list[str]:
  return [str(argument) for argument in arguments]


def _status(code: object) -> int:
  """As Python's own end has it: text is printed."""
  if code is None or isinstance(code, int):
    return code or 0
  print(code, file=sys.stderr)
  return 1
