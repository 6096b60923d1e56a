"""Each in a process of its own, as a signal handler is the process's."""

import subprocess
import sys

import pytest

_ORDINARY = """
import signal
from llve_jax.stopping import on_termination
on_termination()
try:
  signal.raise_signal(signal.SIGTERM)
except KeyboardInterrupt:
  print("cleared up")
"""
_LOST = """
import gc, os, signal, sys, time
from llve_jax.stopping import on_termination
on_termination({act})

class Doomed:
  def __del__(self):
    where("destructor")

def where(here):
  if here == {place!r} and not told:
    told.append(here)
    signal.raise_signal(signal.{signal})
    time.sleep(0.001)  # the handler runs between two instructions

told = []
gc.callbacks.append(lambda phase, info: where("collector"))
try:
  Doomed()
  gc.collect()
  time.sleep(60)
  print("was never stopped")
except (KeyboardInterrupt, SystemExit):
  print("cleared up after", *told)
"""


def _said(script):
  run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
  assert run.returncode == 0, run.stderr
  return run.stdout.strip(), run.stderr


def test_a_terminated_program_clears_up():
  assert _said(_ORDINARY) == ("cleared up", "")


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("place", ["destructor", "collector"])
def test_a_stop_that_python_drops_is_told_again_and_nothing_is_printed(place, signal):
  script = _LOST.format(act="", place=place, signal=signal)
  assert _said(script) == (f"cleared up after {place}", "")


def test_what_is_raised_is_the_callers_choice():
  script = _LOST.format(act="lambda: sys.exit(3)", place="collector", signal="SIGTERM")
  assert _said(script) == ("cleared up after collector", "")


def test_other_errors_in_destructors_are_told_as_before():
  script = """
from llve_jax.stopping import on_termination
on_termination()
class Doomed:
  def __del__(self):
    raise ValueError("of a destructor")
Doomed()
"""
  _, errors = _said(script)
  assert "ValueError: of a destructor" in errors
