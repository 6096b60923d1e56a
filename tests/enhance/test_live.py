"""A stream that the test serves is shown as it comes; who is late, misses frames."""

import http.client
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from llve_jax.enhance import live
from llve_jax.enhance.screen import Screen
from llve_jax.errors import UserError
from llve_jax.io.video.live import Live, is_live
from llve_jax.methods.classic import Classic
from llve_jax.methods.method import Method


@pytest.mark.parametrize(
  ("source", "expected"),
  [
    ("/dev/video0", True),
    ("rtsp://camera/1", True),
    ("HTTP://host:80/a.mjpg", True),
    ("/dev/video", False),
    ("video0.mp4", False),
    ("file:///a.mp4", False),
  ],
)
def test_what_is_live(source: str, expected: bool) -> None:
  assert is_live(source) == expected


@pytest.fixture
def camera() -> Iterator[str]:
  """Serves sixty frames of a network camera at 50 a second; brightness tells the number."""
  stop = threading.Event()
  with Screen() as screen:

    def film() -> None:
      for index in range(60):
        if stop.wait(0.02):
          return
        screen.put(np.full((32, 48, 3), 20 + 2 * index, np.uint8))
      stop.wait(5)

    thread = threading.Thread(target=film)
    thread.start()
    yield screen.address + "stream"
    stop.set()
    thread.join()


def pictures(address: str) -> Iterator[np.ndarray]:
  """What a browser sees at the address of a page."""
  with urllib.request.urlopen(address, timeout=20) as page:
    assert b'src="/stream"' in page.read()
  with urllib.request.urlopen(address + "stream", timeout=20) as stream:
    while line := stream.readline():
      if line.startswith(b"Content-Length"):
        stream.readline()
        data = stream.read(int(line.split(b":")[1]))
        yield cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


class Slow(Classic):
  """Takes a tenth of a second for a frame."""

  def stream(self, frames, *, rounded=True, memory=None):
    for frame in super().stream(frames, rounded=rounded):
      time.sleep(0.1)
      yield frame


def test_after_a_pause_frames_come_at_their_own_speed_again(
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  """Who was away for ten seconds does not see them in a rush."""
  now, slept = 100.0, []

  def sleep(seconds: float) -> None:
    nonlocal now
    slept.append(seconds)
    now += seconds

  def decode(video: int) -> Iterator[av.VideoFrame]:
    for index in range(4):
      frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), "rgb24")
      frame.pts, frame.time_base = index, Fraction(1)
      yield frame

  clock = SimpleNamespace(monotonic=lambda: now, sleep=sleep)
  monkeypatch.setattr("llve_jax.io.video.live.time", clock)
  source = Live("nowhere")
  source._container = SimpleNamespace(decode=decode)
  for index, _ in enumerate(source._paced()):
    now += 10.0 * (index == 1)
  assert slept == [1.0, 1.0]


@pytest.mark.parametrize("method", [Classic("gamma"), Slow("gamma")])
def test_input_and_output_side_by_side(camera: str, method: Method) -> None:
  seen: list[np.ndarray] = []
  looking: list[threading.Thread] = []

  def look(address: str) -> None:
    for picture in pictures(address):
      seen.append(picture)

  def say(text: str) -> None:
    address = text.split(" at ")[1].split(" ")[0]
    looking.append(threading.Thread(target=look, args=(address,)))
    looking[0].start()

  class Ends(type(method)):
    """As if somebody pressed Ctrl-C behind some frames."""

    def stream(self, frames, *, rounded=True, memory=None):
      for index, frame in enumerate(super().stream(frames)):
        if index == 8:
          raise KeyboardInterrupt
        yield frame

  shown = live.show(camera, lambda first: Ends("gamma"), port=0, say=say)
  looking[0].join(20)
  assert shown.frames == 8
  assert shown.dropped >= 8 or not isinstance(method, Slow)
  assert "8 frames shown in" in str(shown)
  assert seen
  levels = [float(picture[16, 10, 0]) for picture in seen]
  assert levels == sorted(levels)
  for picture, level in zip(seen, levels, strict=True):
    assert picture.shape == (32, 96, 3)
    assert abs(picture[16, 80, 0] - 255 * (level / 255) ** (1 / 2.2)) < 6


def test_a_file_is_played_at_its_own_speed(make_clip, odd_frames, tmp_path) -> None:
  clip = make_clip(tmp_path / "a.mp4", odd_frames, audio=None)
  with Live(str(clip)) as playing:
    started = time.monotonic()
    frames = list(playing.frames())
  assert time.monotonic() - started > 0.35  # twelve at 25 a second
  assert len(frames) + playing.dropped == playing.read == 12
  assert frames[0].shape == (45, 67, 3)


def test_a_file_waits_until_all_is_compiled(make_clip, odd_frames, tmp_path) -> None:
  clip = make_clip(tmp_path / "a.mp4", odd_frames, audio=None)

  def compiling(first: np.ndarray) -> Method:
    assert first.shape == (45, 67, 3)
    time.sleep(0.6)  # longer than the film
    return Classic("gamma")

  shown = live.show(str(clip), compiling, port=0, say=lambda text: None)
  assert shown.frames + shown.dropped == 12
  assert shown.frames >= 3  # two, if it had not


def test_what_cannot_be_shown(tmp_path) -> None:
  with pytest.raises(UserError, match=r"127\.0\.0\.1:9/: expected a stream, but it cannot be open"):
    Live("http://127.0.0.1:9/").__enter__()
  with pytest.raises(UserError, match="/dev/video77: expected a camera"):
    Live("/dev/video77").__enter__()
  with Screen() as screen:
    port = int(screen.address.split(":")[2].strip("/"))
    with pytest.raises(UserError, match=f"--port={port}: cannot be used"):
      Screen(port).__enter__()
    browser = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    browser.request("GET", "/else")
    assert browser.getresponse().status == 404


def test_a_stream_that_says_nothing_is_given_up() -> None:
  """A camera that takes the call and is silent, until it hangs up after five seconds."""
  with socket.create_server(("127.0.0.1", 0)) as silent:
    address = f"http://127.0.0.1:{silent.getsockname()[1]}/stream"

    def hang_up() -> None:
      with silent.accept()[0]:
        given_up.wait(5)

    given_up = threading.Event()
    thread = threading.Thread(target=hang_up)
    thread.start()
    started = time.monotonic()
    with pytest.raises(UserError, match=r"expected a stream, but it cannot be opened"):
      Live(address, patience=0.2).__enter__()
    took = time.monotonic() - started
    given_up.set()
    thread.join()
  assert took < 4
