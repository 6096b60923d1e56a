"""Process 0 and the others as threads of this one."""

import contextlib
import json
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from llve_jax.errors import UserError
from llve_jax.job import roll_call
from llve_jax.job.json_lines import Link
from tests.processes import free_port


class Others:
  """Answers to a roll call, each in a thread."""

  def __init__(self, port: int):
    self.address = ("127.0.0.1", port)
    self.pool = ThreadPoolExecutor(8)

  def come(self, process: int, processes: int, **options: Any) -> "Future[Link]":
    options = {"wait": 5.0, "same": {}, **options}
    return self.pool.submit(roll_call.answer, self.address, process, processes, **options)


@pytest.fixture
def port() -> int:
  return free_port()


@pytest.fixture
def others(port: int) -> Others:
  return Others(port)


def test_all_come_in_any_order_and_keep_their_link(port: int, others: Others) -> None:
  late = others.come(2, 3)  # before there is a process 0
  threading.Timer(0.4, others.come, (1, 3)).start()
  links = roll_call.call(("", port), 3, wait=5, same={})
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
  with pytest.raises(roll_call.AbsentError, match=expected):
    roll_call.call(("", port), 5, wait=1, same={})
  with pytest.raises(roll_call.AbsentError, match=expected):
    came.result()


def test_no_process_0(others: Others) -> None:
  begun = time.monotonic()
  with pytest.raises(
    roll_call.AbsentError, match=r"process 1 of 2 found no process 0 at 127\.0\.0\.1:\d+ wit"
  ):
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
    roll_call.call(("", port), 2, wait=5, same={})
  with pytest.raises(UserError, match=expected):
    came.result()


def test_two_of_the_same_number(port: int, others: Others) -> None:
  came = [others.come(1, 3), others.come(1, 3)]
  with pytest.raises(UserError, match=r"two processes came as process 1, from .* and "):
    roll_call.call(("", port), 3, wait=5, same={})
  for one in came:
    with pytest.raises(UserError, match="two processes came as process 1"):
      one.result()


def test_one_that_was_started_anew_takes_its_place(port: int, others: Others) -> None:
  def twice() -> "Future[Link]":
    with socket.create_connection(others.address) as first:
      Link(first).send({"process": 1, "processes": 3, "time": time.time(), "same": {}})
      time.sleep(0.2)
    again = others.come(1, 3)
    others.come(2, 3)
    return again

  threading.Timer(0.3, twice).start()
  assert sorted(roll_call.call(("", port), 3, wait=5, same={})) == [1, 2]


def test_clocks_that_differ(port: int, others: Others, monkeypatch: pytest.MonkeyPatch) -> None:
  def answers() -> None:
    with socket.create_connection(others.address) as connection:
      link = Link(connection)
      greeting = {"process": 1, "processes": 2, "same": {}}
      link.send({**greeting, "time": time.time() - 400})
      link.receive()

  threading.Timer(0.3, answers).start()
  with pytest.raises(UserError, match="the clock of process 1 is 400 s behind that of process 0"):
    roll_call.call(("", port), 2, wait=5, same={})


GREETING = {"process": 1, "processes": 2, "time": 1.0, "same": {}}
STRANGE = {
  "http": b"GET / HTTP/1.1\r\n\r\n",
  "list": b"[1]\n",
  "empty": b"{}\n",
  "deep": b"[" * 60_000 + b"\n",
  "long": b"x" * 200_000,
  "binary": bytes(range(256)) + b"\n",
  "huge": b'{"process": ' + b"9" * 5000 + b"}\n",
  **{
    f"{name}-{value}": json.dumps({**GREETING, name: value}).encode() + b"\n"
    for name, value in [
      ("process", "1"), ("process", 1.0), ("process", True), ("processes", [2]),
      ("processes", None), ("time", "now"), ("time", 10**400), ("time", float("nan")),
      ("same", ["a"]), ("same", "ab"), ("same", None), ("same", {"config": 1}),
    ]
  },
}  # fmt: skip


@pytest.mark.parametrize("words", STRANGE.values(), ids=STRANGE)
def test_strangers_are_sent_away(port: int, others: Others, words: bytes) -> None:
  def visit() -> None:
    with socket.create_connection(others.address) as stranger:
      with contextlib.suppress(ConnectionError):
        stranger.sendall(words)
      stranger.settimeout(5)
      with contextlib.suppress(ConnectionError):
        assert stranger.recv(10) == b""

  def answers() -> None:
    visited = others.pool.submit(visit)
    visits.append(visited)
    visited.exception()
    others.come(1, 2)

  visits: list[Future[None]] = []
  threading.Timer(0.2, answers).start()
  assert list(roll_call.call(("", port), 2, wait=10, same={})) == [1]
  assert visits[0].exception() is None


def test_the_silent_and_the_slow_keep_nobody_waiting(port: int, others: Others) -> None:
  with contextlib.ExitStack() as stack:

    def visit() -> None:
      for number in range(150):  # more than are listened to at once
        stranger = stack.enter_context(socket.create_connection(others.address))
        if number % 2:
          stranger.sendall(b'{"process": ')
      others.come(1, 3)
      others.come(2, 3)

    begun = time.monotonic()
    threading.Timer(0.2, visit).start()
    assert sorted(roll_call.call(("", port), 3, wait=10, same={})) == [1, 2]
    assert time.monotonic() - begun < 2.5


def test_the_silent_are_sent_away(port: int, others: Others) -> None:
  def visit() -> float:
    with socket.create_connection(others.address) as stranger:
      begun = time.monotonic()
      stranger.settimeout(8)
      assert stranger.recv(1) == b""
    return time.monotonic() - begun

  with ThreadPoolExecutor(1) as pool:
    called = pool.submit(roll_call.call, ("", port), 2, wait=10, same={})
    while True:
      with contextlib.suppress(ConnectionRefusedError):
        waited = visit()
        break
    others.come(1, 2)
    assert list(called.result()) == [1]
  assert 2.5 < waited < 4.5


def test_something_else_at_the_address_of_process_0(others: Others) -> None:
  with socket.create_server(others.address) as listener:
    came = others.come(1, 2, wait=1.0)
    connection, _ = listener.accept()
    connection.sendall(b'{"hello": 1}\n')
    listener.close()
    with pytest.raises(roll_call.AbsentError, match=r"\(last: .*; start process 0"):
      came.result()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1"])
def test_only_the_given_address_is_listened_at(port: int, others: Others, host: str) -> None:
  others.address = (host, port)
  called = others.pool.submit(roll_call.call, (host, port), 2, wait=5, same={})
  deadline = time.monotonic() + 4
  while True:
    try:
      socket.create_connection((host, port)).close()
      break
    except ConnectionRefusedError:
      assert time.monotonic() < deadline
  with pytest.raises(ConnectionRefusedError):
    socket.create_connection(("127.0.0.2", port))
  others.come(1, 2)
  assert list(called.result()) == [1]


def test_a_port_that_is_taken(port: int) -> None:
  with (
    socket.create_server(("0.0.0.0", port)),
    pytest.raises(UserError, match=rf"process 0 cannot listen at port {port}: .*choose another"),
  ):
    roll_call.call(("", port), 2, wait=1, same={})
