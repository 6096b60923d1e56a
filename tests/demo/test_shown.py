"""The parts of the page that are HTML of its own."""

from pathlib import Path
from typing import Any

import pytest

from llve_jax.demo import shown
from llve_jax.demo.curves import Curves
from llve_jax.demo.job import Result
from llve_jax.demo.worker import Progress

NUMBERS = {
  "brightness": {"before": 20.4, "after": 99.6},
  "clipped": {"before": 0.001, "after": 0.02},
  "flicker": {"before": 0.01, "after": 0.005},
}


def result(**changed: Any) -> Result:
  given: dict[str, Any] = {
    "kind": "video",
    "before": Path("/a b/before.mp4"),
    "after": Path("/a/after.mp4"),
    "download": Path("/a/after.mp4"),
    "frames": 30,
    "size": (64, 48),
    "seconds": 2.0,
    "said": (),
    "numbers": NUMBERS,
    "curves": Curves(),
  }
  return Result(**(given | changed))


@pytest.mark.parametrize("make", [shown.status, shown.error])
def test_what_visitors_bring_is_text_and_never_markup(make: Any) -> None:
  assert "<script>" not in make("<script>alert(1)</script>")
  assert "&lt;script&gt;" in make("<script>alert(1)</script>")
  said = result(said=("<img src=x onerror=alert(1)>",))
  assert "<img" not in shown.finished(said)


def test_progress_tells_speed_and_what_is_left() -> None:
  assert "getting the network ready (3 s)" in shown.progress(Progress(0, None, 3.4, 0.0))
  text = shown.progress(Progress(20, 120, 9.0, 2.0))
  assert "Frame 20 of 120, 10.0 frames/s, 10 s left" in text
  unknown = shown.progress(Progress(20, None, 9.0, 2.0))
  assert "Frame 20, 10.0 frames/s" in unknown
  assert "left" not in unknown


def test_figures_before_and_after() -> None:
  text = shown.finished(result(said=("found: dark",)))
  assert "30 frames of 64 x 48 in 2.0 s (15.0 frames/s)" in text
  assert "<li>found: dark</li>" in text
  assert "<td>20</td><td>100</td>" in text
  assert "<td>0.10 %</td><td>2.00 %</td>" in text
  assert "<td>1.00 %</td><td>0.50 %</td>" in text
  picture = shown.finished(result(kind="picture", frames=1))
  assert "1 picture of" in picture
  assert "flicker" not in picture


def test_players_get_their_files_from_the_page() -> None:
  text = shown.players(result())
  assert text.count("<video") == 2
  assert 'src="gradio_api/file=/a%20b/before.mp4"' in text
  assert "//" not in text


def test_plots_of_a_picture_have_no_course() -> None:
  assert shown.plots(result()).count("<svg") == 1
