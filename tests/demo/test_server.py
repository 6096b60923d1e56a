"""The door of the page: hosts, sizes, numbers, passwords; and what is swept away behind it."""

import asyncio
import logging
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from llve_jax.demo import server
from llve_jax.demo.limits import Limits
from llve_jax.errors import UserError
from tests import commands


async def application(scope: Any, receive: Any, send: Any) -> None:
  await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
  await send({"type": "http.response.body", "body": b"page"})


def ask(
  door: server.Door, method: str = "GET", path: str = "/", **headers: str
) -> tuple[int, dict[str, str], str]:
  """Status, headers and body that one request gets."""
  sent: list[Any] = []

  async def send(message: Any) -> None:
    sent.append(message)

  given = {"host": "127.0.0.1:7860"} | {key.replace("_", "-"): x for key, x in headers.items()}
  raw = [(key.encode(), value.encode()) for key, value in given.items()]
  scope = {"type": "http", "method": method, "path": path, "headers": raw}
  asyncio.run(door(scope, None, send))  # type: ignore[arg-type]
  start, body = sent
  found = {key.decode(): value.decode() for key, value in start["headers"]}
  return start["status"], found, body["body"].decode()


def door(folder: Path, hosts: tuple[str, ...] | None = server.LOOPBACK, **limits: float) -> Any:
  return server.Door(application, folder, Limits(**limits), hosts)


def test_the_page_asks_for_nothing_beyond_its_host(tmp_path: Path) -> None:
  status, headers, body = ask(door(tmp_path))
  assert (status, body, headers["x"]) == (200, "page", "y")
  policy = dict(
    each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";")
  )
  assert policy["default-src"] == policy["connect-src"] == "'self'"
  assert not any("http" in value or "*" in value for value in policy.values())


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "[::1]:7860"])
def test_this_machine_is_let_in(host: str, tmp_path: Path) -> None:
  assert ask(door(tmp_path), host=host)[0] == 200


@pytest.mark.parametrize(
  "host", ["evil.example", "evil.example:7860", "", "127.0.0.1.evil.example"]
)
def test_another_name_for_this_machine_is_not(host: str, tmp_path: Path) -> None:
  assert ask(door(tmp_path), host=host)[0] == 403
  assert ask(door(tmp_path, hosts=None), host=host)[0] == 200


def test_sizes_are_told_first_and_bounded(tmp_path: Path) -> None:
  upload = "/gradio_api/upload"
  small = door(tmp_path, megabytes=1.0)
  assert ask(small, "POST", upload)[0] == 411
  assert ask(small, "POST", upload, content_length="many")[0] == 411
  assert ask(small, "POST", upload, content_length="1000000")[0] == 200
  assert ask(small, "POST", upload, content_length="3000000")[0] == 413
  assert ask(small, "POST", "/gradio_api/queue/join", content_length="3000000")[0] == 413
  status, _, body = ask(door(tmp_path, disk=1e-4), "POST", upload, content_length="1000000")
  assert (status, "no room" in body) == (503, True)


def test_only_so_many_send_files_at_once(tmp_path: Path) -> None:
  inside, go_on = threading.Event(), threading.Event()

  async def slow(scope: Any, receive: Any, send: Any) -> None:
    inside.set()
    await asyncio.to_thread(go_on.wait, 30)
    await application(scope, receive, send)

  busy = server.Door(slow, tmp_path, Limits(waiting=1), None)
  codes: list[int] = []
  given = {"content_length": "10"}
  first = threading.Thread(target=lambda: codes.append(ask(busy, "POST", "/upload", **given)[0]))
  first.start()
  assert inside.wait(30)
  assert ask(busy, "POST", "/upload", **given)[0] == 503
  go_on.set()
  first.join()
  assert codes == [200]
  assert ask(busy, "POST", "/upload", **given)[0] == 200


def test_other_kinds_of_connection_pass(tmp_path: Path) -> None:
  seen = []

  async def inner(scope: Any, receive: Any, send: Any) -> None:
    seen.append(scope["type"])

  outer = server.Door(inner, tmp_path, Limits(), server.LOOPBACK)
  asyncio.run(outer({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
  assert seen == ["lifespan"]


def test_passwords_of_a_file(tmp_path: Path) -> None:
  path = tmp_path / "passwords"
  path.write_text("anna:long enough:with colon\n\nbert:another one\n")
  path.chmod(0o600)
  right = server.checker(server.passwords(path))
  assert right("anna", "long enough:with colon")
  assert right("bert", "another one")
  assert not right("bert", "another on")
  assert not right("carl", "")


@pytest.mark.parametrize(
  ("text", "mode", "message"),
  [
    ("anna:long enough", 0o644, "chmod 600"),
    ("anna", 0o600, "line 1: expected NAME:PASSWORD"),
    ("anna:long enough\nbert:short", 0o600, "line 2: .*8 letters"),
    ("\n", 0o600, "found none"),
  ],
)
def test_bad_files_of_passwords(text: str, mode: int, message: str, tmp_path: Path) -> None:
  path = tmp_path / "passwords"
  path.write_text(text)
  path.chmod(mode)
  with pytest.raises(UserError, match=message):
    server.passwords(path)
  with pytest.raises(UserError, match="found none"):
    server.passwords(tmp_path / "nowhere")


def test_what_is_old_is_swept_away(tmp_path: Path) -> None:
  old, new = tmp_path / "jobs" / "a" / "old.mp4", tmp_path / "jobs" / "b" / "new.mp4"
  outside = tmp_path.parent / "outside.mp4"
  for path in (old, new, outside):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
  (tmp_path / "jobs" / "b" / "link").symlink_to(outside)
  long_ago = time.time() - 3600
  for path in (old, old.parent, outside):
    os.utime(path, (long_ago, long_ago))
  assert server.sweep(tmp_path, 15) == [old]
  assert new.exists()
  assert server.sweep(tmp_path, 15, now=time.time() + 3600)  # everything is old by then
  server.sweep(tmp_path, 15, now=time.time() + 7200)
  assert not any(path.is_file() for path in tmp_path.rglob("*"))
  assert outside.exists()


def test_the_folder_of_an_upload_that_has_just_begun_stays(tmp_path: Path) -> None:
  """It is empty until the first bytes come."""
  (tmp_path / "upload").mkdir()
  assert server.sweep(tmp_path, 15) == []
  assert (tmp_path / "upload").is_dir()
  server.sweep(tmp_path, 15, now=time.time() + 3600)
  assert not (tmp_path / "upload").exists()
  assert tmp_path.is_dir()


def test_all_is_removed_at_the_end(tmp_path: Path) -> None:
  folder, ended = tmp_path / "all", threading.Event()
  folder.mkdir()
  (folder / "a.mp4").write_bytes(b"x")
  ended.set()
  server.sweep_now_and_then(folder, 1.0, ended)
  assert not folder.exists()


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["--host=0.0.0.0"], "wants a --password_file"),
    (["--host=0.0.0.0", "--password_file=nowhere"], "found none"),
    (["--max_seconds=0"], "--max_seconds=0"),
    (["--model=nope"], "--model=nope: expected one of night"),
    (["dark.mp4"], "expected no further words, found dark.mp4"),
  ],
)
def test_what_the_command_refuses(arguments: list[str], message: str) -> None:
  done = commands.run("llve_jax.demo", *arguments)
  assert done.returncode == 2, done.stderr
  assert message in done.stderr


def test_whoever_comes_between_the_address_and_the_page_waits():
  with server.listening("127.0.0.1", 0) as made:
    socket.create_connection(made.getsockname(), timeout=5).close()


def test_who_looks_when_the_page_ends_is_no_error():
  def told(text: str, error: BaseException | None = None) -> bool:
    info = None if error is None else (type(error), error, None)
    return server.is_no_end(logging.LogRecord("uvicorn.error", 40, "", 1, text, (), info))

  assert not told("Cancel 1 running task(s), timeout graceful shutdown exceeded")
  assert not told("Exception in ASGI application", asyncio.CancelledError())
  assert told("Exception in ASGI application", ValueError("a fault of ours"))
  assert told("Invalid HTTP request received.")
