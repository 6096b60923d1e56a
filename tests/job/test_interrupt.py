"""Signals to this process, and to real other ones where it ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType

from llve_jax.job import hosts
from llve_jax.job.interrupt import EXIT_STOPPED, Interrupt, Interrupted
from tests import processes


def test_signals_are_noted_and_given_back() -> None:
  before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
  for number in (signal.SIGTERM, signal.SIGINT):
    with Interrupt() as interrupt:
      assert not interrupt.requested
      os.kill(os.getpid(), number)
      assert interrupt.requested
      assert interrupt.reason == signal.Signals(number).name
  assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_request_is_as_good_as_a_signal_and_the_first_reason_stays() -> None:
  interrupt = Interrupt()
  interrupt.request("maintenance-event TERMINATE_ON_HOST_MAINTENANCE")
  interrupt.request("another")
  assert interrupt.requested
  assert interrupt.reason == "maintenance-event TERMINATE_ON_HOST_MAINTENANCE"


def test_the_same_signal_twice_at_once_is_one_request() -> None:
  with Interrupt() as interrupt:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    assert interrupt.reason == "SIGINT"


def test_run_returns_and_raises_what_the_function_does() -> None:
  interrupt = Interrupt()
  assert interrupt.run(divmod, 7, 3) == (2, 1)
  with pytest.raises(ZeroDivisionError, match="division"):
    interrupt.run(divmod, 7, 0)


def test_an_error_at_the_moment_of_giving_up_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
  release = threading.Event()

  class Event(threading.Event):
    """The function ends just before anyone looks whether it has."""

    def is_set(self) -> bool:
      release.set()
      return self.wait(5)

  monkeypatch.setattr(
    "llve_jax.job.interrupt.threading", SimpleNamespace(Thread=threading.Thread, Event=Event)
  )

  def fails() -> None:
    release.wait()
    raise ZeroDivisionError

  interrupt = Interrupt()
  interrupt.request("maintenance")
  with pytest.raises(ZeroDivisionError):
    interrupt.run(fails)


def test_run_is_given_up_at_once() -> None:
  over = threading.Event()
  with Interrupt() as interrupt:
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    begun = time.monotonic()
    with pytest.raises(Interrupted, match="SIGTERM"):
      interrupt.run(over.wait, 20)
    assert time.monotonic() - begun < 2
  over.set()


def test_run_given_up_before_it_began() -> None:
  interrupt = Interrupt()
  interrupt.request("maintenance")
  over = threading.Event()
  with pytest.raises(Interrupted, match="maintenance"):
    interrupt.run(over.wait, 20)
  over.set()


def test_run_knows_of_another_process_that_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setattr(hosts, "asked", lambda: "process 1: SIGTERM")
  over = threading.Event()
  with pytest.raises(Interrupted, match="process 1: SIGTERM"):
    Interrupt().run(over.wait, 20)
  over.set()


def test_run_that_another_process_gave_up_has_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setattr("llve_jax.job.interrupt.which_processes", lambda flag: [1])
  with pytest.raises(Interrupted):
    Interrupt().run(divmod, 7, 3)


def test_run_keeps_the_settings_of_the_thread() -> None:
  mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
  device = jax.devices()[3]

  def look() -> tuple[object, ...]:
    with pytest.raises(jax.errors.JaxRuntimeError, match="Disallowed host-to-device"):
      jnp.sin(1.0)
    jnp.promote_types(jnp.int32, jnp.float32)  # strict promotion, the tests' own, refuses that
    config: Any = jax.config
    mesh = jax.sharding.get_mesh()
    return config.jax_default_matmul_precision, mesh, config.jax_default_device

  with (
    jax.transfer_guard("disallow"),
    jax.numpy_dtype_promotion("standard"),
    jax.default_matmul_precision("highest"),
    jax.default_device(device),
    jax.set_mesh(mesh),
  ):
    assert Interrupt().run(look) == ("highest", mesh, device)


COMPILING = """
import signal, sys
import jax, jax.numpy as jnp
from llve_jax.job.interrupt import EXIT_STOPPED, Interrupt, Interrupted, leave

def deep(x):
  for i in range(3000):
    x = jnp.sin(x @ x) + i
  return x.sum()

with Interrupt() as interrupt:
  lowered = jax.jit(jax.grad(deep)).lower(jnp.ones((8, 8)))
  print("compiling", flush=True)
  try:
    interrupt.run(lowered.compile)
  except Interrupted as interrupted:
    print("interrupted by", interrupted)
    leave(EXIT_STOPPED)
"""


def test_sigterm_while_the_compiler_runs() -> None:
  with processes.started(COMPILING, 1) as (one,):
    assert one.stdout is not None
    assert one.stdout.readline() == "compiling\n"
    time.sleep(0.3)
    one.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    out, err = one.communicate(timeout=20)
    assert time.monotonic() - begun < 3
  assert one.returncode == EXIT_STOPPED == 75, err
  assert out == "interrupted by SIGTERM\n"
  assert err == "SIGTERM: saving and stopping; once more to end at once\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(number: signal.Signals) -> None:
  script = """
import time
from llve_jax.job.interrupt import Interrupt
with Interrupt():
  print("here", flush=True)
  while True:
    time.sleep(0.1)
"""
  with subprocess.Popen(
    [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
  ) as one:
    try:
      assert one.stdout is not None
      assert one.stdout.readline() == "here\n"
      one.send_signal(number)
      time.sleep(1.2)
      assert one.poll() is None
      one.send_signal(number)
      _, err = one.communicate(timeout=10)
    finally:
      one.kill()
  assert one.returncode == 128 + number
  assert err.splitlines()[1] == f"{number.name} again: ending at once, without saving"


def test_all_processes_give_up_when_one_is_asked() -> None:
  script = """
import os, signal, threading, time
from llve_jax.job import agree, hosts
from llve_jax.job.interrupt import EXIT_STOPPED, Interrupt, Interrupted, leave

cluster = hosts.find_cluster(os.environ)
with hosts.joined(cluster, wait=30, heartbeat=10), Interrupt() as interrupt:
  agree.which_processes(False)
  if cluster.process == 1:
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
  begun = time.monotonic()
  try:
    interrupt.run(time.sleep, 40)
  except Interrupted as interrupted:
    print(interrupted, time.monotonic() - begun < 5)
    time.sleep(2 * cluster.process)
    leave(EXIT_STOPPED)
"""
  zero, one = processes.run(script, 2)
  assert (zero.code, zero.out) == (75, "process 1: SIGTERM True\n"), zero
  assert (one.code, one.out) == (75, "SIGTERM True\n"), one
