"""The page in a real browser, on a desk and on a phone: what visitors see and do."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llve_jax.io.video import read_frames, write_video

pytest.importorskip("gradio", reason="the extra [demo] is not installed")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
  filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = [
  pytest.mark.slow,
  pytest.mark.skipif(not CHROMIUM, reason="no Chromium on the PATH; install Debian's `chromium`"),
]
ROOT = Path(__file__).parents[2]
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
WAIT = 120_000  # milliseconds, on a machine that does much else
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")


@contextlib.contextmanager
def served(folder: Path, *flags: str) -> Iterator[str]:
  """The address of a page whose files lie in `folder`."""
  process = subprocess.Popen(
    [sys.executable, "-m", "llve_jax.demo", "--port=0", "--model=gamma", *flags],
    cwd=ROOT,
    env={**os.environ, "TMPDIR": str(folder)},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )
  try:
    assert process.stdout is not None
    first = process.stdout.readline()
    found = re.search(r"http://\S+", first)
    assert found, first + process.stdout.read()
    yield found[0]
  finally:
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=60)
  assert told == "", told  # no trace of an error, no chatter
  assert not list(folder.glob("llve_demo_*"))  # nothing stays


@pytest.fixture(scope="module")
def page_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
  return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def address(page_folder: Path) -> Iterator[str]:
  with served(page_folder, "--max_seconds=30") as found:
    yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
  with sync_api.sync_playwright() as playwright:
    opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
    yield opened
    opened.close()


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Any]:
  page = browser.new_page(viewport=DESK)
  asked: list[str] = []
  page.on("request", lambda request: asked.append(request.url))
  page.goto(address)
  page.wait_for_selector("#start")
  yield page
  assert asked
  assert {url for url in asked if not url.startswith((address, "data:", "blob:"))} == set()
  page.close()


def give(page: Any, path: Path) -> None:
  page.set_input_files("#upload input[type=file]", str(path))
  page.wait_for_selector("#upload .file-preview", timeout=WAIT)


def brighten(page: Any, path: Path) -> str:
  """Gives a file, starts, and waits for what is told at the end."""
  give(page, path)
  page.click("#start")
  return ended(page)


def ended(page: Any) -> str:
  done = page.locator("#status", has_text=re.compile("Done|Cancelled|error|takes|damaged|picture"))
  done.wait_for(timeout=WAIT)
  return str(page.inner_text("#status"))


def test_a_video_on_a_desk(opened: Any, dark_video: Path, tmp_path: Path) -> None:
  assert "Done: 20 frames of 48 x 32" in brighten(opened, dark_video)
  opened.wait_for_function(
    "[...document.querySelectorAll('video')].filter((v) => v.readyState > 2).length === 2",
    timeout=WAIT,
  )
  times = "[...document.querySelectorAll('video')].map((v) => [v.currentTime, v.paused])"
  opened.evaluate("document.querySelector('video[data-side=after]').currentTime = 1.2")
  opened.wait_for_function(f"{times}.every(([t]) => Math.abs(t - 1.2) < 0.05)", timeout=WAIT)
  opened.evaluate("document.querySelector('video[data-side=before]').play()")
  opened.wait_for_function(f"{times}.every(([t, paused]) => t > 1.3)", timeout=WAIT)
  opened.evaluate("document.querySelector('video[data-side=after]').pause()")
  opened.wait_for_function(f"{times}.every(([t, paused]) => paused)", timeout=WAIT)
  (first, _), (second, _) = opened.evaluate(times)
  assert abs(first - second) < 0.2
  assert opened.locator("#plots svg").count() == 2
  with opened.expect_download() as download:
    opened.click("#download")
  download.value.save_as(tmp_path / "got.mp4")
  assert len(list(read_frames(tmp_path / "got.mp4"))) == 20


def test_a_picture_on_a_phone(browser: Any, address: str, dark_picture: Path) -> None:
  page = browser.new_page(viewport=PHONE, has_touch=True)
  page.goto(address)
  page.wait_for_selector("#start")
  assert "Done: 1 picture of 48 x 32" in brighten(page, dark_picture)
  page.wait_for_selector("#slider img", timeout=WAIT)
  assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
  assert page.locator("#players video").count() == 0
  page.close()


def test_what_is_wrong_is_a_sentence(opened: Any, tmp_path: Path) -> None:
  path = tmp_path / "<b>zip<b>.mp4"
  path.write_bytes(b"PK\x03\x04" + bytes(500))
  told = brighten(opened, path)
  assert opened.locator("#status [role=alert]").count() == 1
  assert "the file" in told
  assert "Traceback" not in told
  assert "/tmp" not in told
  assert opened.locator("#players video").count() == 0


def test_without_a_file_it_says_so_and_the_keyboard_is_enough(opened: Any) -> None:
  """Tab to the button and press Enter; the focus can be seen."""
  for _ in range(40):
    opened.keyboard.press("Tab")
    if opened.evaluate("document.activeElement.id") == "start":
      break
  assert opened.evaluate("document.activeElement.id") == "start"
  opened.keyboard.press("Enter")
  opened.locator("#status", has_text="no file yet").wait_for(timeout=WAIT)


def test_a_second_visitor_waits_a_third_gives_up_and_the_first_may_cancel(
  browser: Any, address: str, page_folder: Path, dark_picture: Path, tmp_path: Path
) -> None:
  long = tmp_path / "long.mp4"
  write_video(long, np.broadcast_to(np.uint8(20), (2000, 240, 320, 3)), 75)
  other = tmp_path / "other.png"
  other.write_bytes(dark_picture.read_bytes() + b"unlike any")
  first, second, third = (browser.new_page(viewport=DESK) for _ in range(3))
  for page in (first, second, third):
    page.goto(address)
    page.wait_for_selector("#start")
  give(first, long)
  first.locator("#start").click()
  first.locator("#status", has_text=re.compile("Frame|Reading")).wait_for(timeout=WAIT)
  for page, path, before in ((second, dark_picture, "one file comes"), (third, other, "2 files")):
    give(page, path)
    page.locator("#start").click()
    page.locator("#status", has_text=f"Waiting: {before}").wait_for(timeout=WAIT)
  assert holding(page_folder, b"unlike any")
  third.locator("#cancel").click()
  assert "Cancelled. Your file is removed." in ended(third)
  assert not holding(page_folder, b"unlike any")
  assert third.locator("#upload .file-preview").count() == 0
  assert "Waiting" in second.inner_text("#status")
  first.locator("#cancel").click()
  assert "Cancelled" in ended(first)
  assert "Done: 1 picture" in ended(second)
  assert "Cancelled" in third.inner_text("#status")  # and nothing came of it
  # What equals another's file stays when that one goes.
  give(first, long)
  first.locator("#start").click()
  first.locator("#status", has_text=re.compile("Frame|Reading")).wait_for(timeout=WAIT)
  give(third, dark_picture)
  second.locator("#start").click()
  second.locator("#status", has_text="Waiting: one file comes").wait_for(timeout=WAIT)
  second.locator("#cancel").click()
  assert "Cancelled" in ended(second)
  third.locator("#start").click()
  third.locator("#status", has_text="Waiting: one file comes").wait_for(timeout=WAIT)
  first.locator("#cancel").click()
  assert "Done: 1 picture" in ended(third)
  for page in (first, second, third):
    page.close()


def holding(folder: Path, content: bytes) -> list[Path]:
  """The files of the page that hold it."""
  files = [path for path in folder.rglob("*") if path.is_file()]
  return [path for path in files if content in path.read_bytes()]


def test_whoever_does_not_see_it_finds_the_way(opened: Any, dark_picture: Path) -> None:
  """No finding of axe that is serious, with a result on the page."""
  axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
  brighten(opened, dark_picture)
  found = axe.Axe().run(opened).response["violations"]
  serious = [
    (each["id"], each["help"]) for each in found if each["impact"] in ("serious", "critical")
  ]
  assert serious == []


def test_with_a_password_nobody_else_comes_in(browser: Any, tmp_path: Path) -> None:
  secret = tmp_path / "passwords"
  secret.write_text("anna:long enough\n")
  secret.chmod(0o600)
  with served(tmp_path, f"--password_file={secret}") as address:
    page = browser.new_page(viewport=DESK)
    page.goto(address)
    page.get_by_label("username").fill("anna")
    page.get_by_label("password").fill("long enougH")
    page.get_by_role("button", name="Login").click()
    page.get_by_text("Incorrect").first.wait_for(timeout=WAIT)
    assert page.locator("#start").count() == 0
    assert page.request.get(f"{address}gradio_api/info").status == 401
    page.goto(address)
    page.get_by_label("username").fill("anna")
    page.get_by_label("password").fill("long enough")
    page.get_by_role("button", name="Login").click()
    page.wait_for_selector("#start", timeout=WAIT)
    page.close()
