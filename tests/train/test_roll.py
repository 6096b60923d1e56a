"""Process 0 and the others as threads of this one."""

import contextlib
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from llve_jax.errors import UserError
from llve_jax.train import roll
from tests.processes import free_port


class Others:
  """Answers to a roll call, each in a thread."""

  def __init__(self, port: int):
    self.address = ("127.0.0.1", port)
    self.pool = ThreadPoolExecutor(8)

  def come(self, process: int, processes: int, **options: Any) -> "Future[roll.Link]":
    options = {"wait": 5.0, "same": {}, **options}
    return self.pool.submit(roll.answer, self.address, process, processes, **options)


@pytest.fixture
def port() -> int:
  return free_port()


@pytest.fixture
def others(port: int) -> Others:
  return Others(port)


def test_all_come_in_any_order_and_keep_their_link(port: int, others: Others) -> None:
  late = others.come(2, 3)  # before there is a process 0
  threading.Timer(0.4, others.come, (1, 3)).start()
  links = roll.call(port, 3, wait=5, same={})
  assert sorted(links) == [1, 2]
  links[2].send({"a": 1})
  assert late.result().receive_one(time.monotonic() + 5) == {"a": 1}
  # The port is free for JAX's service now.
  socket.create_server(("127.0.0.1", port)).close()


def test_who_does_not_come_is_named_to_all(port: int, others: Others) -> None:
  came = others.come(2, 5)
  expected = (
    r"2 of 5 processes came within 1 s; missing: 1, 3, 4\. Start one on every host, check the "
    rf"number of processes \(--num_processes, LLVE_NUM_PROCESSES\).* port {port} "
  )
  with pytest.raises(UserError, match=expected):
    roll.call(port, 5, wait=1, same={})
  with pytest.raises(UserError, match=expected):
    came.result()


def test_no_process_0(others: Others) -> None:
  begun = time.monotonic()
  with pytest.raises(UserError, match=r"process 1 of 2 found no process 0 at 127\.0\.0\.1:\d+ wit"):
    others.come(1, 2, wait=1.0).result()
  assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
  ("process", "processes", "same", "expected"),
  [
    (1, 3, {}, r"process 0 was started as one of 2, process 1 as one of 3; start all with"),
    (0, 2, {}, r"a process came as number 0; expected 1 to 1"),
    (1, 2, {"config": "b"}, r"process 1 has another config than process 0: 'b', expected None"),
  ],
)
def test_a_process_that_does_not_fit(
  port: int, others: Others, process: int, processes: int, same: dict[str, str], expected: str
) -> None:
  came = others.come(process, processes, same=same)
  with pytest.raises(UserError, match=expected):
    roll.call(port, 2, wait=5, same={})
  with pytest.raises(UserError, match=expected):
    came.result()


def test_two_of_the_same_number(port: int, others: Others) -> None:
  came = [others.come(1, 3), others.come(1, 3)]
  with pytest.raises(UserError, match=r"two processes came as process 1, from .* and "):
    roll.call(port, 3, wait=5, same={})
  for one in came:
    with pytest.raises(UserError, match="two processes came as process 1"):
      one.result()


def test_one_that_was_started_anew_takes_its_place(port: int, others: Others) -> None:
  def twice() -> "Future[roll.Link]":
    with socket.create_connection(others.address) as first:
      roll.Link(first).send({"process": 1, "processes": 3, "time": time.time(), "same": {}})
      time.sleep(0.2)
    again = others.come(1, 3)
    others.come(2, 3)
    return again

  threading.Timer(0.3, twice).start()
  assert sorted(roll.call(port, 3, wait=5, same={})) == [1, 2]


def test_clocks_that_differ(port: int, others: Others, monkeypatch: pytest.MonkeyPatch) -> None:
  def answers() -> None:
    with socket.create_connection(others.address) as connection:
      link = roll.Link(connection)
      greeting = {"process": 1, "processes": 2, "same": {}}
      link.send({**greeting, "time": time.time() - 400})
      link.receive()

  threading.Timer(0.3, answers).start()
  with pytest.raises(UserError, match="the clock of process 1 is 400 s behind that of process 0"):
    roll.call(port, 2, wait=5, same={})


def test_strangers_are_ignored(port: int, others: Others) -> None:
  def visit() -> None:
    for words in (b"GET / HTTP/1.1\r\n\r\n", b"[1]\n", b"{}\n", b'{"process": "x"}\n', b""):
      with socket.create_connection(others.address) as stranger:
        stranger.sendall(words)
        stranger.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
          assert not words or stranger.recv(10) == b""
    others.come(1, 2)

  threading.Timer(0.3, visit).start()
  assert list(roll.call(port, 2, wait=10, same={})) == [1]


def test_a_port_that_is_taken(port: int) -> None:
  with (
    socket.create_server(("0.0.0.0", port)),
    pytest.raises(UserError, match=rf"process 0 cannot listen at port {port}: .*choose another"),
  ):
    roll.call(port, 2, wait=1, same={})
