"""Both ends of a connection in this process."""

import socket
import time
from collections.abc import Iterator

import pytest

from llve_jax.job.json_lines import Link


@pytest.fixture
def pair() -> Iterator[tuple[Link, socket.socket]]:
  with socket.create_server(("127.0.0.1", 0)) as listener:
    near = socket.create_connection(listener.getsockname())
    far, _ = listener.accept()
  link = Link(near)
  yield link, far
  link.close()
  far.close()


def test_messages_come_whole_and_in_order(pair: tuple[Link, socket.socket]) -> None:
  link, far = pair
  assert link.peer == "127.0.0.1"
  far.sendall(b'{"a": 1}\n{"b": [2]}\n{"c"')
  assert link.receive() == [{"a": 1}, {"b": [2]}]
  far.sendall(b": 3}\n")
  assert link.receive() == [{"c": 3}]
  far.close()
  assert link.receive() is None


def test_one_message_leaves_the_next(pair: tuple[Link, socket.socket]) -> None:
  link, far = pair
  far.sendall(b'{"a": 1}\n{"b": 2}\n')
  assert link.receive_one(time.monotonic() + 5) == {"a": 1}
  assert link.receive() == [{"b": 2}]


@pytest.mark.parametrize("line", [b"x", b"[1]", b"[" * 60_000, b'"' + b"\xff" * 9 + b'"'])
def test_what_is_no_message(pair: tuple[Link, socket.socket], line: bytes) -> None:
  link, far = pair
  far.sendall(line + b"\n")
  with pytest.raises(OSError, match="something else than JSON"):
    link.receive_one(time.monotonic() + 5)


def test_a_line_without_end_is_not_kept(pair: tuple[Link, socket.socket]) -> None:
  link, far = pair
  far.settimeout(0.1)
  with pytest.raises(OSError, match="a line of more than 65536 bytes"):  # noqa: PT012
    for _ in range(100):
      far.send(b"x" * 10_000)
      link.receive(timeout=5)


def test_a_connection_that_has_gone() -> None:
  with socket.socket() as never, pytest.raises(OSError, match="not connected"):
    Link(never)
