"""Large blocks are used again; in a process of its own, since it is for good."""

import ctypes
import platform
import subprocess
import sys

import pytest

from llve_jax.data import allocation

PROGRAM = """
import resource, sys, threading
from llve_jax.data.allocation import keep_freed_memory

def work():
  for _ in range(4):
    bytearray(64 * 2**20)

def run():
  if sys.argv[1] == "here":
    return work()
  thread = threading.Thread(target=work)
  thread.start()
  thread.join()

done = sys.argv[2] == "kept" and keep_freed_memory()
run()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
run()
print(int(done), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can")
@pytest.mark.parametrize("where", ["here", "in a thread"])
def test_blocks_are_kept(where: str) -> None:
  found = {}
  for what in ("usual", "kept"):
    command = [sys.executable, "-c", PROGRAM, where, what]
    done, found[what] = map(int, subprocess.check_output(command).split())
    assert done == (what == "kept")
  assert found["kept"] < found["usual"] / 10, found


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
  assert not allocation.keep_freed_memory()
