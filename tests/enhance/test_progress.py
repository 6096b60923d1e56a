import sys

import pytest

from llve_jax.enhance import progress
from llve_jax.enhance.progress import show_progress


def test_items_pass_through_and_a_short_run_says_nothing(capsys):
  assert list(show_progress(iter("abc"), 3)) == ["a", "b", "c"]
  assert capsys.readouterr().err == ""


def test_a_log_gets_whole_lines(capsys, monkeypatch):
  clock = iter(range(0, 1000, 6))
  monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
  assert list(show_progress(iter("abcd"), 4)) == list("abcd")
  said = capsys.readouterr().err.splitlines()
  assert said == ["2/4 frames, 0.2 frames/s, 0:12 left", "4 frames, 0.2 frames/s"]


@pytest.mark.parametrize(
  ("count", "total", "seconds", "expected"),
  [
    (10, None, 5, "10 frames, 2.0 frames/s"),
    (10, 20, 5, "10/20 frames, 2.0 frames/s, 0:05 left"),
    (30, 20, 5, "30 frames, 6.0 frames/s"),
    (1, 20000, 1, "1/20000 frames, 1.0 frames/s, 5:33:19 left"),
  ],
)
def test_a_line(count, total, seconds, expected):
  assert progress.line(count, total, seconds) == expected


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
  monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
  assert list(show_progress(iter("abc"), 3)) == ["a", "b", "c"]
  shown = capsys.readouterr().err
  assert "3/3" in shown
  assert "frames/s" in shown
