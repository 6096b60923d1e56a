"""The page under load and attack: many files at once, damaged and hostile ones, for some minutes.

  python -m experiments.benchmarks.page_load --minutes=10 --visitors=50

Starts the page, and visitors who send, over and over: dark pictures and clips, a PNG of 50,000 by
50,000 pixels, a video of ten hours, a ZIP called .mp4, truncated and flipped files, an SVG, names
that climb out of folders, HTML as a name. Prints one line of JSON: how many were done, refused with
a sentence, turned away at the door; how long the page itself took to answer (median, slowest);
the memory of the page and of its worker at most; what is left on the disk; lines that it printed.
Exit status 1 if a traceback was shown or printed, the page did not answer, or a file was left.
"""

import contextlib
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zlib
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from absl import app, flags, logging

from llve_jax.io.images import write_image
from llve_jax.io.video import write_video

_MINUTES = flags.DEFINE_float("minutes", 10.0, "How long.", lower_bound=0.1)
_VISITORS = flags.DEFINE_integer("visitors", 50, "How many at once.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of what they send.")
_SHORT = ("--max_keep=0.5", "--max_minutes=0.5")
_CALM = 60.0  # seconds that a visitor waits for an answer of the page itself


def files(folder: Path) -> dict[str, bytes]:
  """What visitors send: name (as they say it) -> content."""
  rng = np.random.default_rng(0)
  frames = rng.integers(0, 50, (25, 96, 128, 3)).astype(np.uint8)
  write_image(folder / "dark.png", frames[0])
  write_image(folder / "dark.jpg", frames[1])
  write_video(folder / "dark.mp4", frames, 25)
  write_video(folder / "long.mp4", frames[:2], Fraction(1, 18_000))
  good = {name: (folder / name).read_bytes() for name in ("dark.png", "dark.jpg", "dark.mp4")}
  clip = bytearray(good["dark.mp4"])
  for at in rng.integers(0, len(clip), 40):
    clip[at] ^= 0xFF
  return {
    **good,
    "ten_hours.mp4": (folder / "long.mp4").read_bytes(),
    "bomb.png": _bomb(),
    "zip.mp4": b"PK\x03\x04" + bytes(20_000),
    "half.mp4": good["dark.mp4"][: len(good["dark.mp4"]) // 2],
    "flipped.mp4": bytes(clip),
    "empty.mp4": b"",
    "picture.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "../../../../tmp/climbs.png": good["dark.png"],
    "<img src=x onerror=alert(1)>.png": good["dark.png"],
    "noise.mkv": rng.bytes(50_000),
  }


def _bomb() -> bytes:
  """A PNG that would be 7.5 GB."""

  def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

  header = (50_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
  rows = zlib.compress(bytes(5_000_000))
  return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class Load:
  """Visitors of one page, and what they saw."""

  def __init__(self, address: str, sent: dict[str, bytes], until: float):
    self._address, self._sent, self._until = address.rstrip("/"), sent, until
    self.seen: Counter[str] = Counter()
    self.odd: list[str] = []
    config = httpx.get(f"{self._address}/config", timeout=_CALM).json()
    work = [each for each in config["dependencies"] if len(each["outputs"]) == 6]
    self._function = work[0]["id"]

  def visit(self, number: int) -> None:
    """One visitor: sends a file, asks for it to be brightened, waits; and again."""
    choose = random.Random(1000 * _SEED.value + number)
    while time.monotonic() < self._until:
      name = choose.choice(sorted(self._sent))
      try:
        self.seen[self._once(name)] += 1
      except httpx.HTTPError as error:
        self.seen[f"broken off: {type(error).__name__}"] += 1
      time.sleep(choose.random())

  def _once(self, name: str) -> str:
    upload = httpx.post(
      f"{self._address}/gradio_api/upload",
      files={"files": (name, self._sent[name])},
      timeout=_CALM,
    )
    if upload.status_code != 200:
      return f"turned away: {upload.status_code}"
    session = uuid.uuid4().hex[:12]
    file = {"path": upload.json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}
    data = [file, "gamma", True, 1.0, "by itself", "by itself"]
    asked = httpx.post(
      f"{self._address}/gradio_api/queue/join",
      json={"data": data, "fn_index": self._function, "session_hash": session},
      timeout=_CALM,
    )
    if asked.status_code != 200:
      return f"not queued: {asked.status_code}"
    return self._answer(session)

  def _answer(self, session: str) -> str:
    told = ""
    address = f"{self._address}/gradio_api/queue/data"
    with httpx.stream("GET", address, params={"session_hash": session}, timeout=600) as stream:
      for line in stream.iter_lines():
        told = line if "process_" in line else told
        if "Traceback" in line or 'File "' in line:
          self.odd.append(line[:300])
        if "process_completed" in line or "queue_full" in line:
          break
        if time.monotonic() > self._until + 120:
          return "still waiting at the end"
    if "Done: " in told:
      return "done"
    if "alert" in told:
      return "refused"
    return f"other: {told.partition('output')[2][:160]}"


def watched(process: int, stop: threading.Event, most: dict[str, float]) -> None:
  """Notes the largest memory of a process and of those it started, in megabytes."""
  while not stop.wait(0.5):
    for each in (process, *_children(process)):
      with contextlib.suppress(OSError, IndexError):
        pages = int(Path(f"/proc/{each}/statm").read_text().split()[1])
        key = "page" if each == process else "worker"
        most[key] = max(most.get(key, 0.0), round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6))


def _children(process: int) -> list[int]:
  try:
    return [int(x) for x in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
  except OSError:
    return []


def answers(address: str, until: float) -> Iterator[float]:
  """Seconds that the page takes to come, every two seconds."""
  while time.monotonic() < until:
    started = time.monotonic()
    httpx.get(address, timeout=_CALM).raise_for_status()
    yield time.monotonic() - started
    time.sleep(2)


def main(argv: list[str]) -> None:
  """Runs the load and prints what came of it."""
  del argv
  logging.set_verbosity(logging.WARNING)  # not of every request
  with tempfile.TemporaryDirectory() as given:
    folder = Path(given)
    (folder / "page").mkdir()
    with open(folder / "log", "w+") as log:
      process = subprocess.Popen(
        [sys.executable, "-m", "llve_jax.demo", "--port=0", "--model=gamma", *_SHORT],
        env={**os.environ, "TMPDIR": str(folder / "page"), "PYTHONUNBUFFERED": "1"},
        stdout=log,
        stderr=subprocess.STDOUT,
      )
      found = None
      while found is None:
        time.sleep(0.5)
        told = (folder / "log").read_text()
        found = re.search(r"http://\S+", told)
        if found is None and process.poll() is not None:
          raise RuntimeError(told)
      until = time.monotonic() + 60 * _MINUTES.value
      load = Load(found[0], files(folder), until)
      most: dict[str, float] = {}
      stop = threading.Event()
      threads = [threading.Thread(target=watched, args=(process.pid, stop, most))]
      threads += [threading.Thread(target=load.visit, args=(at,)) for at in range(_VISITORS.value)]
      for thread in threads:
        thread.start()
      times = list(answers(found[0], until))
      for thread in threads[1:]:
        thread.join()
      stop.set()
      time.sleep(65)  # --max_keep, and the sweep
      left = [str(path) for path in (folder / "page").rglob("*") if path.is_file()]
      alive = httpx.get(found[0], timeout=_CALM).status_code == 200
      process.send_signal(signal.SIGTERM)
      code = process.wait(60)
      printed = (folder / "log").read_text().splitlines()[1:]
  result: dict[str, Any] = {
    "minutes": _MINUTES.value,
    "visitors": _VISITORS.value,
    "seen": dict(load.seen.most_common()),
    "answer_seconds": {"median": round(statistics.median(times), 3), "most": round(max(times), 3)},
    "megabytes_at_most": most,
    "files_left": len(left),
    "answers_at_the_end": alive,
    "exit_code": code,
    "printed": [each for each in printed if each[:1].strip()][:20],
    "tracebacks": load.odd[:5],
  }
  print(json.dumps(result))
  sys.exit(bool(left or load.odd or printed or not alive))


if __name__ == "__main__":
  app.run(main)
