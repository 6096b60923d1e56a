"""The page: what one sees, and what a button does. Needs the extra [demo]."""

import contextlib
import dataclasses
import filecmp
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from llve_jax.demo import shown
from llve_jax.demo.job import Job, Result
from llve_jax.demo.limits import Limits, check_room, check_size, suffix_of
from llve_jax.demo.worker import CancelledError, Waiting, Worker
from llve_jax.enhance.looks import LOOKS
from llve_jax.errors import UserError
from llve_jax.io.embedded_clips import write_dark

_BY_ITSELF = "by itself"
_STEADY: dict[str, bool | None] = {_BY_ITSELF: None, "on": True, "off": False}
_INTRODUCTION = """
# See in the dark
Drop a dark picture or video. It stays on the machine that shows this page, and is removed after
{keep:g} minutes. Up to {megabytes:.0f} MB, {seconds:.0f} s and {megapixels:.0f} million pixels.
"""
_THREADS = 40  # of Gradio, for everything but those who wait
_GROWTH = 6.0  # a result is at most about so many times as large as its input


@dataclasses.dataclass
class Visitors:
  """Who waits for a file, so that they can give it up, and whose page has which upload.

  Gradio names an upload by what is in it, so equal files of several visitors are one.
  """

  waiting: dict[str, threading.Event] = dataclasses.field(default_factory=dict)
  uploads: dict[str, str] = dataclasses.field(default_factory=dict)

  def come(self, visitor: str) -> threading.Event:
    """A new wish of a visitor."""
    self.waiting[visitor] = event = threading.Event()
    return event

  def go(self, visitor: str, wish: threading.Event) -> None:
    """It is fulfilled; a later one of the same visitor stays."""
    if self.waiting.get(visitor) is wish:
      del self.waiting[visitor]

  def give_up(self, visitor: str) -> None:
    """Cancels what the visitor waits for; nothing if nothing."""
    if event := self.waiting.pop(visitor, None):
      event.set()

  def put_down(self, visitor: str, upload: str) -> None:
    """A visitor's page has an upload now, and no other."""
    self.uploads[visitor] = upload

  def take_back(self, visitor: str) -> None:
    """A visitor's page has none any more."""
    self.uploads.pop(visitor, None)

  def have(self, upload: str) -> bool:
    """Whether it is in anybody's page."""
    return upload in [*self.uploads.values()]


class Desk:
  """Takes files, has them done, and shows what became of them.

  Attributes:
    folder: for all files; what is in it may be removed.
  """

  def __init__(self, folder: Path, worker: Worker, limits: Limits):
    """Uses a folder that exists."""
    self.folder = folder
    self._worker, self._limits, self._visitors = worker, limits, Visitors()
    self._sample = folder / "sample" / "night.mp4"
    self._sample_lock = threading.Lock()

  def sample(self) -> str:
    """A dark clip of the package."""
    with self._sample_lock:
      if not self._sample.exists():
        self._sample.parent.mkdir(exist_ok=True)
        write_dark(self._sample, "carphone", frames=90, seed=0)
    return str(self._sample)

  def put_down(self, upload: str, request: gr.Request) -> None:
    """The visitor's page has an upload: it stays, whoever else gives up an equal one."""
    self._visitors.put_down(str(request.session_hash), upload)

  def take_back(self, request: gr.Request) -> None:
    """It has none any more."""
    self._visitors.take_back(str(request.session_hash))

  def give_up(self, request: gr.Request) -> None:
    """The visitor cancels."""
    self._visitors.give_up(str(request.session_hash))

  def leave(self, request: gr.Request) -> None:
    """The visitor has gone."""
    self.give_up(request)
    self.take_back(request)

  def enhance(
    self,
    upload: str | None,
    model: str,
    by_itself: bool,
    strength: float,
    look: str,
    steady: str,
    request: gr.Request,
  ) -> Iterator[tuple[Any, ...]]:
    """Brightens what was uploaded; yields what the page shows.

    Yields:
      Status, slider of a picture, players of a video, plots, file to download; and the upload,
      which goes when the visitor cancels.
    """
    visitor = str(request.session_hash)
    cancelled = self._visitors.come(visitor)
    if upload:
      self._visitors.put_down(visitor, upload)
    place = self.folder / "jobs" / secrets.token_hex(16)
    options = {"model": model, "strength": None if by_itself else strength}
    options |= {"stabilise": _STEADY[steady], "look": None if look == _BY_ITSELF else look}
    try:
      source = self._taken(upload, place)
      for now in self._worker.run(Job(source, options), cancelled):
        if isinstance(now, Waiting):
          with contextlib.suppress(OSError):
            os.utime(source)  # it is kept, however long it waits
          yield _only(shown.waiting(now))
        else:
          yield _result(now) if isinstance(now, Result) else _only(shown.progress(now))
    except CancelledError:
      self._forget(place, upload, visitor)
      yield (*_only(shown.status("Cancelled. Your file is removed."))[:-1], None)
    except UserError as error:
      shutil.rmtree(place, ignore_errors=True)
      yield _only(shown.error(str(error)))
    except GeneratorExit:  # the visitor has gone
      self._forget(place, upload, visitor)
      raise
    finally:
      self._visitors.go(visitor, cancelled)

  def _taken(self, upload: str | None, place: Path) -> Path:
    """The upload under a name of our own, in a folder of its own."""
    if not upload or not Path(upload).is_file():
      raise UserError("There is no file yet. Drop one, or take the sample.")
    suffix = suffix_of(upload)
    check_size(Path(upload), self._limits)
    check_room(self.folder, _GROWTH * Path(upload).stat().st_size / 1e9, self._limits)
    place.mkdir(parents=True)
    source = place / f"input{suffix}"
    try:
      os.link(upload, source)
    except OSError:
      shutil.copyfile(upload, source)
    os.utime(source)  # from now on it is kept
    return source

  def _forget(self, place: Path, upload: str | None, visitor: str) -> None:
    """Removes what a visitor gave; the sample is everybody's, and equal files may be of several."""
    shutil.rmtree(place, ignore_errors=True)
    self._visitors.take_back(visitor)
    if upload is None or self.folder not in Path(upload).parents or self._visitors.have(upload):
      return
    with contextlib.suppress(OSError):
      if not (self._sample.exists() and filecmp.cmp(upload, self._sample, shallow=False)):
        Path(upload).unlink()


def build(desk: Desk, limits: Limits, models: Sequence[str], default: str) -> gr.Blocks:
  """The page.

  Args:
    desk: does what is asked for.
    limits: to be told.
    models: names of methods.
    default: the one that is taken unless another is asked for.
  """
  with gr.Blocks(title="See in the dark", analytics_enabled=False) as page:
    gr.Markdown(_INTRODUCTION.format(**dataclasses.asdict(limits)))
    with gr.Row():
      with gr.Column(scale=1, min_width=280):
        # Of any kind: the desk says what it does not take, Gradio would do so by an error.
        upload = gr.File(label="A dark picture or video", type="filepath", elem_id="upload")
        sample = gr.Button("Take the sample", elem_id="sample")
        model = gr.Dropdown(list(models), value=default, label="Network or method")
        look = gr.Radio([_BY_ITSELF, *LOOKS], value=_BY_ITSELF, label="Look")
        by_itself = gr.Checkbox(True, label="Find the strength by itself")
        strength = gr.Slider(0, 1, 1, step=0.05, label="Strength", interactive=True, visible=False)
        steady = gr.Radio(list(_STEADY), value=_BY_ITSELF, label="Stabilise")
        with gr.Row():
          start = gr.Button("Brighten", variant="primary", elem_id="start")
          cancel = gr.Button("Cancel", elem_id="cancel")
      with gr.Column(scale=2, min_width=280):
        status = gr.HTML(shown.status("Nothing asked for yet."), elem_id="status")
        slider = gr.ImageSlider(label="Before and after", visible=False, elem_id="slider")
        players = gr.HTML(visible=False, elem_id="players")
        download = gr.DownloadButton("Download", visible=False, elem_id="download")
        plots = gr.HTML(visible=False, elem_id="plots")
    shows = [status, slider, players, plots, download, upload]
    quietly: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    by_itself.change(lambda on: gr.update(visible=not on), by_itself, strength, **quietly)
    upload.upload(desk.put_down, upload, None, **quietly)
    upload.clear(desk.take_back, None, None, **quietly)
    sample.click(_told(desk.sample), None, upload, **quietly)
    start.click(
      desk.enhance,
      [upload, model, by_itself, strength, look, steady],
      shows,
      concurrency_limit=None,  # the desk has a line of its own, which can be left
      api_visibility="private",
      show_progress="minimal",
      show_progress_on=status,
    )
    cancel.click(desk.give_up, None, None, queue=False, **quietly)
    page.unload(desk.leave)
  page.max_threads = _THREADS + int(limits.waiting)
  page.queue(max_size=page.max_threads, default_concurrency_limit=4, api_open=False)
  return page


def _told(function: Callable[[], str]) -> Callable[[], str]:
  """The function; what it refuses is shown as a sentence."""

  def told() -> str:
    try:
      return function()
    except UserError as error:
      raise gr.Error(str(error), print_exception=False) from error

  return told


def _only(text: str) -> tuple[Any, ...]:
  """A status, and nothing else to be seen; the upload stays."""
  hidden = gr.update(visible=False)
  return text, hidden, hidden, hidden, hidden, gr.skip()


def _result(result: Result) -> tuple[Any, ...]:
  hidden = gr.update(visible=False)
  picture = result.kind == "picture"
  pair = (str(result.before), str(result.after))
  return (
    shown.finished(result),
    gr.update(value=pair, visible=True) if picture else hidden,
    hidden if picture else gr.update(value=shown.players(result), visible=True),
    gr.update(value=shown.plots(result), visible=True),
    gr.update(value=str(result.download), visible=True),
    gr.skip(),
  )
