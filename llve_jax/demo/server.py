"""The page behind a door: this machine alone, or with a password; no request beyond its host."""

import asyncio
import contextlib
import hmac
import logging
import os
import shutil
import socket
import stat
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from llve_jax.demo.limits import Limits, check_room
from llve_jax.enhance.screen import LOOPBACK, named
from llve_jax.errors import UserError

__all__ = [
  "LOOPBACK",
  "Door",
  "checker",
  "is_no_end",
  "listening",
  "passwords",
  "sweep",
  "sweep_now_and_then",
]

_SMALL = 2**20  # bytes of a request that is no upload
_HEADERS = {
  # Everything comes from here, so nobody else learns that somebody looks at something.
  "content-security-policy": (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
  ),
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
}

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def passwords(path: str | os.PathLike[str]) -> dict[str, str]:
  """Reads lines of NAME:PASSWORD.

  Raises:
    UserError: no such file, others may read it, or a line is not of that form.
  """
  path = Path(path)
  if not path.is_file():
    raise UserError(f"--password_file={path}: expected a file of lines NAME:PASSWORD, found none")
  if os.name == "posix" and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
    raise UserError(f"{path}: others on this machine may read it; type: chmod 600 {path}")
  found = {}
  for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
    name, colon, password = line.partition(":")
    if line and not (name and colon and len(password) >= 8):
      raise UserError(
        f"{path}, line {number}: expected NAME:PASSWORD with a password of 8 letters or more"
      )
    if line:
      found[name] = password
  if not found:
    raise UserError(f"{path}: expected lines of NAME:PASSWORD, found none")
  return found


def checker(known: dict[str, str]) -> Callable[[str, str], bool]:
  """Whether a name and a password belong together, in a time that does not tell how near it was."""

  def right(name: str, password: str) -> bool:
    expected = known.get(name, "")
    same = hmac.compare_digest(password.encode(), expected.encode())
    return same and name in known

  return right


class Door:
  """In front of the page: refuses what is too large, too much or for another host.

  A page elsewhere can have a browser ask a server of this machine, under a name of its own that
  leads here; so only names that are meant are answered.
  """

  def __init__(self, app: Any, folder: Path, limits: Limits, hosts: tuple[str, ...] | None):
    """Around an ASGI application.

    Args:
      app: the page.
      folder: of all files.
      limits: of one upload, and of all.
      hosts: names under which it may be asked for; None: any.
    """
    self._app, self._folder, self._limits, self._hosts = app, folder, limits, hosts
    self._uploads = 0

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers one request."""
    if scope["type"] != "http":
      await self._app(scope, receive, send)
      return
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
    uploading = scope["method"] == "POST" and scope["path"].endswith("/upload")
    if refusal := self._refusal(scope, headers, uploading):
      await _refuse(send, *refusal)
      return

    async def with_headers(message: MutableMapping[str, Any]) -> None:
      if message["type"] == "http.response.start":
        further = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
        message["headers"] = [*message.get("headers", []), *further]
      await send(message)

    self._uploads += uploading
    try:
      await self._app(scope, receive, with_headers)
    finally:
      self._uploads -= uploading

  def _refusal(
    self, scope: Scope, headers: dict[str, str], uploading: bool
  ) -> tuple[int, str] | None:
    if self._hosts is not None and named(headers.get("host", "")) not in self._hosts:
      return 403, "This page is for the machine that it runs on."
    if scope["method"] not in ("POST", "PUT", "PATCH"):
      return None
    try:
      length = int(headers["content-length"])
    except (KeyError, ValueError):
      return 411, "How long is it? Send Content-Length."
    if not uploading:
      return (413, "That is too much.") if length > _SMALL else None
    if length > self._limits.megabytes * 1e6 + _SMALL:
      return 413, f"A file may have {self._limits.megabytes:.0f} MB."
    if self._uploads >= self._limits.waiting:
      return 503, "Many others send files just now. Try again in a minute."
    try:
      check_room(self._folder, length / 1e9, self._limits)
    except UserError as error:
      return 503, str(error)
    return None


async def _refuse(send: Send, code: int, text: str) -> None:
  body = text.encode()
  headers = [(b"content-type", b"text/plain; charset=utf-8")]
  headers += [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
  await send({"type": "http.response.start", "status": code, "headers": headers})
  await send({"type": "http.response.body", "body": body})


def sweep(folder: Path, minutes: float, now: float | None = None) -> list[Path]:
  """Removes the files below a folder that are older than so many minutes; returns which."""
  now = time.time() if now is None else now
  before = now - 60 * minutes
  removed = []
  # From the inside to the outside; what is removed or filled meanwhile is passed over.
  for place, _, names in os.walk(folder, topdown=False):
    for path in (Path(place, name) for name in names):
      with contextlib.suppress(OSError):
        if path.lstat().st_mtime < before:
          path.unlink()
          removed.append(path)
    with contextlib.suppress(OSError):
      if Path(place) != folder and os.stat(place).st_mtime < before:
        os.rmdir(place)  # refuses one that holds something
  return removed


def sweep_now_and_then(folder: Path, minutes: float, ended: threading.Event) -> None:
  """Until it ends: removes what is old, and at last everything."""
  while not ended.wait(min(30.0, 20 * minutes)):
    sweep(folder, minutes)
  shutil.rmtree(folder, ignore_errors=True)


def is_no_end(record: logging.LogRecord) -> bool:
  """Whether a line of the log tells of more than visitors who still looked when the page ended."""
  error = record.exc_info[1] if record.exc_info else None
  ended = isinstance(error, asyncio.CancelledError)
  return not ended and "timeout graceful shutdown exceeded" not in record.getMessage()


def listening(host: str, port: int) -> socket.socket:
  """A socket that listens there: from now on whoever comes waits, and is not refused.

  Raises:
    UserError: nobody can listen there.
  """
  made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
  made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
  try:
    made.bind((host, port))
    made.listen()
  except OSError as error:
    made.close()
    raise UserError(
      f"--host={host} --port={port}: cannot be listened on ({error.strerror}); is another page "
      "there? Take another --port"
    ) from error
  return made
