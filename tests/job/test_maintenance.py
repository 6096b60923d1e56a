import http.server
import threading
import time
from collections.abc import Iterator

import pytest

from llve_jax.job import maintenance


class Metadata(http.server.ThreadingHTTPServer):
  """A metadata server; `says` by the last part of the path."""

  def __init__(self) -> None:
    super().__init__(("127.0.0.1", 0), Answer)
    self.says = {"maintenance-event": "NONE", "preempted": "FALSE"}
    self.asked = 0
    self.url = f"http://127.0.0.1:{self.server_port}/instance"


class Answer(http.server.BaseHTTPRequestHandler):
  server: Metadata

  def do_GET(self) -> None:
    self.server.asked += 1
    known = self.server.says.get(self.path.rpartition("/")[2])
    if self.headers["Metadata-Flavor"] != "Google":
      self.send_error(403)
    elif known is None:
      self.send_error(404)
    else:
      self.send_response(200)
      self.end_headers()
      self.wfile.write(known.encode())

  def log_message(self, format: str, *args: object) -> None:
    pass


@pytest.fixture
def server() -> Iterator[Metadata]:
  with Metadata() as server:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()


def until(condition: object, seconds: float = 5.0) -> None:
  deadline = time.monotonic() + seconds
  while not condition() and time.monotonic() < deadline:  # type: ignore[operator]
    time.sleep(0.01)
  assert condition()  # type: ignore[operator]


@pytest.mark.parametrize(
  ("name", "value"),
  [("maintenance-event", "TERMINATE_ON_HOST_MAINTENANCE"), ("preempted", "TRUE")],
)
def test_an_announcement_is_passed_on_once(server: Metadata, name: str, value: str) -> None:
  found: list[str] = []
  with maintenance.watched(found.append, url=server.url, every=0.02):
    until(lambda: server.asked >= 4)
    assert found == []
    server.says[name] = value
    until(lambda: found)
    asked = server.asked
    time.sleep(0.1)
  assert found == [f"{name} {value}"]
  assert server.asked == asked


def test_a_machine_without_one_of_the_notices(server: Metadata) -> None:
  del server.says["preempted"]
  assert maintenance.notice(server.url) == ""
  server.says["maintenance-event"] = "MIGRATE_ON_HOST_MAINTENANCE"
  assert maintenance.notice(server.url) == "maintenance-event MIGRATE_ON_HOST_MAINTENANCE"
  server.says = {"preempted": "TRUE"}
  assert maintenance.notice(server.url) == "preempted TRUE"


def test_no_server_is_noted_once(capfd: pytest.CaptureFixture[str]) -> None:
  with Metadata() as closed:
    url = closed.url
  found: list[str] = []
  with maintenance.watched(found.append, url=url, every=0.01):
    time.sleep(0.3)
  assert found == []
  error = capfd.readouterr().err
  assert error.count("does not tell of maintenance") == 1
  with pytest.raises(OSError, match="refused"):
    maintenance.notice(url)


def test_no_proxy_is_asked(server: Metadata, monkeypatch: pytest.MonkeyPatch) -> None:
  for name in ("no_proxy", "NO_PROXY"):
    monkeypatch.delenv(name, raising=False)
  monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # where nobody answers
  assert maintenance.notice(server.url) == ""
  assert server.asked == 2
