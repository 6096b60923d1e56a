"""Large blocks are used again; in a process of its own, since it is for good."""

import ctypes
import platform
import subprocess
import sys

import pytest

from llve_jax.data import allocation

PROGRAM = """
import resource, sys
from llve_jax.data.allocation import keep_freed_memory

def faults():
  before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  for _ in range(4):
    bytearray(64 * 2**20)
  return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = faults()
done = keep_freed_memory()
faults()
print(int(done), usual, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can")
def test_blocks_are_kept() -> None:
  done, usual, kept = map(int, subprocess.check_output([sys.executable, "-c", PROGRAM]).split())
  assert done
  assert kept < usual / 10


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
  assert not allocation.keep_freed_memory()
