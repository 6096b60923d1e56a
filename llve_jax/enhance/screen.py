"""Pictures for a browser on this machine: MJPEG over HTTP, at 127.0.0.1 only."""

import contextlib
import http.server
import threading
from types import TracebackType
from typing import Any, Self

import cv2

from llve_jax.errors import UserError
from llve_jax.shapes import Frame8

LOOPBACK = ("127.0.0.1", "localhost", "::1")  # names of this machine, for itself
_QUALITY = 90
_PAGE = b"""<!doctype html><title>llve</title><style>body{margin:0;background:#000}
img{width:100vw;height:100vh;object-fit:contain}</style><img src="/stream" alt="before, after">
"""


class Screen:
  """A server that shows the newest picture to whoever looks; a context manager.

  Attributes:
    address: of the page, once entered.
  """

  def __init__(self, port: int = 0):
    """On a port; 0 takes one that is free."""
    self._port, self.address = port, ""
    self._jpeg, self._number = b"", 0
    self._changed = threading.Condition()
    self._ended = False

  def __enter__(self) -> Self:
    """Starts it.

    Raises:
      UserError: the port is taken or not allowed.
    """
    handler = type("Handler", (_Handler,), {"shown": self})
    try:
      self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self._port), handler)
    except (OSError, OverflowError) as error:
      raise UserError(
        f"--port={self._port}: cannot be used ({error}); take another, or 0 for one that is free"
      ) from error
    self._server.daemon_threads = True
    self.address = f"http://127.0.0.1:{self._server.server_port}/"
    self._thread = threading.Thread(target=self._server.serve_forever, name="screen", daemon=True)
    self._thread.start()
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    with self._changed:
      self._ended = True
      self._changed.notify_all()
    self._server.shutdown()
    self._server.server_close()
    self._thread.join()

  def put(self, image: Frame8) -> None:
    """Shows a picture [h, w, 3]."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    with self._changed:
      self._jpeg, self._number = jpeg, self._number + 1
      self._changed.notify_all()

  def after(self, number: int) -> tuple[int, bytes] | None:
    """Waits for a picture later than that; its number and JPEG, or None at the end."""
    with self._changed:
      self._changed.wait_for(lambda: self._number > number or self._ended)
      return (self._number, self._jpeg) if self._number > number else None


def named(host: str) -> str:
  """The name in a Host header, without its port."""
  return (host if host.endswith("]") else host.rsplit(":", 1)[0]).strip("[]")


class _Handler(http.server.BaseHTTPRequestHandler):
  shown: "Screen"

  def do_GET(self) -> None:
    """The page, or the pictures of it; under no name that somebody else has made lead here."""
    if named(self.headers.get("Host", "")) not in LOOPBACK:
      self.send_error(403)
    elif self.path == "/":
      self._answer("text/html", _PAGE)
    elif self.path == "/stream":
      with contextlib.suppress(OSError):  # whoever looked has gone
        self._stream()
    else:
      self.send_error(404)

  def _stream(self) -> None:
    self.send_response(200)
    self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
    self.send_header("Cache-Control", "no-store")
    self.end_headers()
    number = 0
    while (found := self.shown.after(number)) is not None:
      number, jpeg = found
      head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
      self.wfile.write(head.encode() + jpeg + b"\r\n")

  def _answer(self, kind: str, body: bytes) -> None:
    self.send_response(200)
    self.send_header("Content-Type", kind)
    self.send_header("Content-Length", str(len(body)))
    self.end_headers()
    self.wfile.write(body)

  def log_message(self, format: str, *given: Any) -> None:
    """Says nothing."""
    del format, given
