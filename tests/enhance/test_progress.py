import sys

from llve_jax.enhance import progress
from llve_jax.enhance.progress import show_progress


def test_items_pass_through_and_a_short_run_says_nothing(capsys):
  assert list(show_progress(iter("abc"), 3)) == ["a", "b", "c"]
  assert capsys.readouterr().err == ""


def test_a_log_gets_whole_lines(capsys, monkeypatch):
  clock = iter(range(0, 1000, 6))
  monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
  assert list(show_progress(iter("abcd"), 4)) == list("abcd")
  assert capsys.readouterr().err == "2/4 frames, 0.2 frames/s\n4/4 frames, 0.2 frames/s\n"


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
  monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
  assert list(show_progress(iter("abc"), 3)) == ["a", "b", "c"]
  shown = capsys.readouterr().err
  assert "3/3" in shown
  assert "frames/s" in shown
