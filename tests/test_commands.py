"""The short way to a command of one's own behaves like the long one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import commands

PROGRAMS = {
  "prints": "import sys; print(sys.argv[1:]); print('told', file=sys.stderr)",
  "where": "import os, sys; print(os.getcwd(), os.environ['MARK'], sys.stdin.read() == '')",
  "leaves": "import sys; sys.exit(3)",
  "says": "import sys; sys.exit('no good')",
  "fails": "raise ValueError('text')",
  "at_exit": "import atexit; atexit.register(print, 'last'); print('first')",
  "threads": "import threading, time\n"
  "threading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()",
  "fresh": "import sys; print({m.split('.')[0] for m in sys.modules} & {'llve_jax', 'tests'})",
  "killed": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_is_as_if_python_had_been_started(tmp_path: Path, name: str) -> None:
  (tmp_path / f"{name}.py").write_text(PROGRAMS[name])
  env = {**os.environ, "MARK": "here"}
  long = subprocess.run(
    [sys.executable, "-m", name, "a", "b c"], cwd=tmp_path, env=env, capture_output=True, text=True
  )
  short = commands.run(name, "a", "b c", cwd=tmp_path, env=env)
  assert (short.returncode, short.stdout) == (long.returncode, long.stdout)
  assert short.stderr.splitlines()[-1:] == long.stderr.splitlines()[-1:]


def test_one_that_does_not_end_is_ended(tmp_path: Path) -> None:
  (tmp_path / "sleeps.py").write_text("import time; print('zzz', flush=True); time.sleep(60)")
  with pytest.raises(subprocess.TimeoutExpired) as caught:
    commands.run("sleeps", cwd=tmp_path, timeout=1.0)
  assert caught.value.stdout == "zzz\n"
  (tmp_path / "wakes.py").write_text("print('good morning')")
  assert commands.run("wakes", cwd=tmp_path).stdout == "good morning\n"
