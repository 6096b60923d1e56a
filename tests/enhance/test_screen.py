"""The server of live pictures answers to this machine's own names."""

import http.client

import pytest

from llve_jax.enhance.screen import Screen, named


@pytest.mark.parametrize(
  ("host", "status"),
  [
    ("127.0.0.1:80", 200),
    ("localhost", 200),
    ("[::1]:80", 200),
    ("evil.example:80", 403),
    ("", 403),
  ],
)
def test_a_name_that_was_made_to_lead_here_is_refused(host: str, status: int) -> None:
  with Screen() as screen:
    port = int(screen.address.rstrip("/").rsplit(":", 1)[1])
    for path in ("/", "/stream") if status == 403 else ("/",):
      line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
      line.putrequest("GET", path, skip_host=True)
      line.putheader("Host", host)
      line.endheaders()
      assert line.getresponse().status == status
      line.close()


def test_names_are_read_without_their_port() -> None:
  hosts = ("localhost:7860", "[::1]:7860", "[::1]", "a.b")
  assert [named(host) for host in hosts] == ["localhost", "::1", "::1", "a.b"]
