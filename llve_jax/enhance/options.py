"""How a file is enhanced: what was asked for, and what that means for a method."""

import dataclasses
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import llve_jax
from llve_jax.enhance import chosen, looks
from llve_jax.enhance.account import Account
from llve_jax.enhance.progress import show_progress
from llve_jax.io.video.plan import Sound
from llve_jax.io.video.source import OnError
from llve_jax.methods.classic import CLASSIC
from llve_jax.methods.method import Frame, Method

Watch = Callable[[Frame, Frame], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
  """How a file is enhanced.

  Attributes:
    model: a method, see `methods.load`; likewise `tile`, `batch` and `rows`.
    side_by_side: put the original to the left of the result.
    tile: largest side that a network runs in one piece.
    batch: frames per call of a network.
    rows: devices that share the rows of each frame, which then is run whole.
    depth: bits a channel of the result; None: as the input's, where the target can hold them.
    ratio: amplification of a raw still for a network that takes raw light; None: found in the file.
    stabilise: of a video, see `chosen.adjusted`.
    strength: see `methods.Mixed`; None: chosen by what the file is like, all of a classic method.
    look: see `looks.choose`; None: "natural" for networks, as it is for a classic method.
    sound: of a video, see `make_plan`; likewise `keep_interlaced`.
    keep_interlaced: see `make_plan`.
    on_error: of a video, see `read_frames`.
    rate: frames per second of a film that is made of single files, see `clips.enhance_clip`.
    cfa: of mosaics in a .npy file, see `clips.Mosaics`; likewise `black` and `white`.
    black: see `cfa`.
    white: see `cfa`.
    part: frames of a part of a long video, behind each of which a killed run goes on; None: chosen
      where it is worth it, 0: in one go.
    dry_run: returns the plan for a video and does nothing.
    preview: of a video, how many moments to show in a picture, in place of the whole.
    report: a .json file for what was done, see `Account`.
    quiet: says nothing.
    hear: for another program in place of a terminal: gets what is said, a line each.
    watch: gets every frame before and after, of a raw still its developed picture before.
    count: gets how many frames are done, of how many (None: unknown), in place of a progress bar.
  """

  model: str
  side_by_side: bool = False
  tile: int | None = None
  batch: int | None = None
  rows: int = 1
  depth: int | None = None
  ratio: float | None = None
  stabilise: bool | None = None
  strength: float | None = None
  look: looks.Look | None = None
  sound: Sound = "copy"
  keep_interlaced: bool = False
  on_error: OnError = "stop"
  rate: float = 25.0
  cfa: str = "RGGB"
  black: float = 0.0
  white: float = 65535.0
  part: int | None = None
  dry_run: bool = False
  preview: int | None = None
  report: str | os.PathLike[str] | None = None
  quiet: bool = False
  hear: Callable[[str], None] | None = None
  watch: Watch | None = None
  count: Callable[[int, int | None], None] | None = None

  def say(self, text: str) -> None:
    """A line on stderr, or to whoever hears it."""
    if self.hear is not None:
      self.hear(text)
    elif not self.quiet:
      print(text, file=sys.stderr, flush=True)

  def decisive(self, about: str) -> dict[str, object]:
    """What pictures depend on: options, program, and the file of the model, if it is one."""
    aside = ("quiet", "report", "preview", "dry_run", "part", "sound", "hear", "watch", "count")
    names = [field.name for field in dataclasses.fields(self) if field.name not in aside]
    given = {name: getattr(self, name) for name in names}
    path = Path(self.model)
    files = sorted(path.rglob("*") if path.is_dir() else [path] if path.is_file() else [])
    newest = max((file.stat().st_mtime_ns for file in files), default=0)
    return given | {"about": about, "version": llve_jax.__version__, "newest": newest}

  def watching(self, account: Account | None) -> Watch | None:
    """Who is to see the frames: the account, who asked for it, both or nobody."""
    watch = self.watch
    if account is None or watch is None:
      return watch if account is None else account.add

    def both(before: Frame, after: Frame) -> None:
      account.add(before, after)
      watch(before, after)

    return both

  def counted(self, frames: Iterator[Frame], total: int | None, done: int = 0) -> Iterator[Frame]:
    """Passes the frames of a video on, behind those that are done, and shows how far it is."""
    if self.count is None:
      yield from frames if self.quiet else show_progress(frames, total, done)
      return
    for number, frame in enumerate(frames, done + 1):
      yield frame
      self.count(number, total)

  def load(self, *, batch: int | None) -> Method:
    """The method as `chosen.load` gives it."""
    return chosen.load(self.model, tile=self.tile, batch=batch, rows=self.rows)

  def adjusted(
    self, method: Method, moments: Callable[[], list[list[Frame]]], *, stabilise: bool | None
  ) -> Method:
    """The method as it is asked for, or as some moments of the file want it."""
    look = self.look or ("natural" if self.model not in CLASSIC else None)
    strength = 1.0 if self.strength is None else self.strength
    if look is not None and (seen := moments()):
      choice = looks.choose(seen, look, self.strength)
      for line in (str(choice), *choice.warnings):
        self.say(line)
      method, strength = looks.lifted(method, seen, look), choice.strength
    return chosen.adjusted(method, stabilise=stabilise, strength=strength, say=self.say)

  def tell(self, method: Method, height: int, width: int) -> None:
    """See `chosen.tell`."""
    chosen.tell(self.model, method, height, width, self.say)
