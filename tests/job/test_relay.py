"""A service, the relay and a client, on sockets of this process."""

import contextlib
import socket
import time

import pytest

from llve_jax.job.relay import Relay


def test_the_relay_carries_both_ways_waits_for_the_service_and_outlives_it() -> None:
  listener = socket.create_server(("127.0.0.1", 0))
  target = listener.getsockname()
  listener.close()
  relay = Relay(target, wait=5)
  host, _, port = relay.address.partition(":")
  with socket.create_connection((host, int(port)), timeout=5) as client:
    client.sendall(b"early")
    time.sleep(0.2)
    with socket.create_server(target) as service:
      far, _ = service.accept()
      assert far.recv(10) == b"early"
      far.sendall(b"answer")
      assert client.recv(10) == b"answer"
      far.close()
    client.settimeout(0.5)
    with pytest.raises(TimeoutError):
      client.recv(10)  # it was closed, but that is not passed on
    relay.release()
    client.settimeout(5)
    assert client.recv(10) == b""


def test_the_relay_passes_on_that_the_client_went() -> None:
  with socket.create_server(("127.0.0.1", 0)) as service:
    relay = Relay(service.getsockname())
    host, _, port = relay.address.partition(":")
    with contextlib.closing(socket.create_connection((host, int(port)))) as client:
      far, _ = service.accept()
      client.sendall(b"x")
      assert far.recv(10) == b"x"
    far.settimeout(5)
    assert far.recv(10) == b""
