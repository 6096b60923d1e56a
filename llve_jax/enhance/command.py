"""What `python -m llve_jax.enhance` does with one file, as a function."""

import dataclasses
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from llve_jax.enhance import chosen, looks
from llve_jax.enhance.account import Account, check_report, write_report
from llve_jax.enhance.files import Enhanced, check_paths, preview_paths
from llve_jax.enhance.pictures import bits_of, enhance_picture
from llve_jax.enhance.preview import Preview, preview
from llve_jax.enhance.progress import show_progress
from llve_jax.enhance.videos import enhance_video
from llve_jax.errors import UserError
from llve_jax.io.images import read_exif, read_picture
from llve_jax.io.raw import RAW_SUFFIXES, read_raw
from llve_jax.io.video import Plan, make_plan, read_info
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

  def watching(self, account: Account | None) -> Watch | None:
    """Who is to see the frames: the account, who asked for it, both or nobody."""
    watch = self.watch
    if account is None or watch is None:
      return watch if account is None else account.add

    def both(before: Frame, after: Frame) -> None:
      account.add(before, after)
      watch(before, after)

    return both

  def counted(self, frames: Iterator[Frame], total: int | None) -> Iterator[Frame]:
    """Passes the frames of a video on and shows how far it is."""
    if self.count is None:
      yield from frames if self.quiet else show_progress(frames, total)
      return
    for number, frame in enumerate(frames, 1):
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


def run(
  source: str | os.PathLike[str], target: str | os.PathLike[str], **given: object
) -> Enhanced | Plan | Preview:
  """Enhances an image or a video file into another; says on stderr what it does.

  Args:
    source: an image or a video.
    target: the file to write, of the same kind.
    **given: the attributes of `Options`.

  Raises:
    UserError: anything a user can put right; nothing is written then.
  """
  options = Options(**given)  # type: ignore[arg-type]
  if any(each is not None and each < 1 for each in (options.tile, options.batch)):
    raise UserError(
      f"--tile and --batch must be at least 1, got tile {options.tile}, batch {options.batch}"
    )
  strip = None
  if options.preview is not None:
    target, strip = preview_paths(source, target)
  kind = check_paths(source, target)
  report = None if options.report is None else check_report(options.report)
  account = None if report is None else Account()
  if kind == "image":
    done = _picture(source, target, options, account)
  else:
    made = _video(source, target, options, account, strip)
    if not isinstance(made, Enhanced):
      return made
    done = made
  if report is not None and account is not None:
    write_report(report, source, options.model, done, account)
  return done


def _picture(
  source: str | os.PathLike[str],
  target: str | os.PathLike[str],
  options: Options,
  account: Account | None,
) -> Enhanced:
  for name, asked in (("dry_run", options.dry_run), ("preview", options.preview is not None)):
    if asked:
      raise UserError(f"--{name}: {source} is a picture; only a video is planned first")
  raw = Path(source).suffix.lower() in RAW_SUFFIXES
  if options.ratio is not None and not (raw and options.ratio > 0):
    raise _no_ratio(source, options.ratio)
  load = partial(options.load, batch=1)  # a batch would be filled with copies
  method = load() if raw else None
  if method is not None and method.takes != "srgb":
    return _raw_still(source, target, method, options, account)
  if options.ratio is not None:
    raise UserError(
      f"--ratio={options.ratio:g}: {options.model} takes developed pictures, not raw light; leave "
      "it out"
    )
  picture = read_picture(source)
  bits = bits_of(source, target, 8 * picture.itemsize, options.depth)
  height, width = picture.shape[:2]
  loaded = chosen.for_srgb(method or load())
  method = options.adjusted(loaded, lambda: [[picture]], stabilise=False)
  options.tell(method, height, width)
  return enhance_picture(
    picture,
    target,
    method,
    bits=bits,
    exif=read_exif(source),
    beside=picture if options.side_by_side else None,
    watch=options.watching(account),
  )


def _video(
  source: str | os.PathLike[str],
  target: str | os.PathLike[str],
  options: Options,
  account: Account | None,
  strip: Path | None,
) -> Enhanced | Plan | Preview:
  """A video; its plan on a dry run; or the picture `strip` alone."""
  if options.ratio is not None:
    raise _no_ratio(source, options.ratio)
  info = read_info(source, on_error=options.on_error)
  plan = make_plan(
    info,
    target,
    width=info.width * (2 if options.side_by_side else 1),
    sound=options.sound,
    depth=options.depth,
    keep_interlaced=options.keep_interlaced,
  )
  if options.dry_run:
    return plan
  for word in plan.words:
    options.say(f"{source}: {word}")
  loaded = chosen.for_srgb(options.load(batch=options.batch))
  method = options.adjusted(loaded, partial(looks.moments_of, info), stabilise=options.stabilise)
  options.tell(method, info.height, info.width)
  if strip is not None and options.preview is not None:
    return preview(plan, method, options.preview, strip)
  return enhance_video(
    plan,
    method,
    on_error=options.on_error,
    side_by_side=options.side_by_side,
    watch=options.watching(account),
    progress=partial(options.counted, total=info.expected_frames),
  )


def _raw_still(
  source: str | os.PathLike[str],
  target: str | os.PathLike[str],
  method: Method,
  options: Options,
  account: Account | None,
) -> Enhanced:
  """A raw file through a network that takes raw light."""
  from llve_jax.methods.raw_still import RawStill, find_ratio, light_of

  if options.look is not None:
    raise UserError(f"--look={options.look}: {options.model} takes raw light; use --ratio instead")
  strength = 1.0 if options.strength is None else options.strength
  method = chosen.adjusted(method, stabilise=False, strength=strength, say=options.say)
  raw = read_raw(source)
  bits = bits_of(source, target, 16, options.depth)
  ratio = find_ratio(raw) if options.ratio is None else options.ratio
  light = light_of(raw, method.takes, ratio)
  still = RawStill(method, raw, ratio)
  height, width = light.shape[:2]
  options.tell(still, height, width)
  seen = options.watching(account)
  developed = None if seen is None and not options.side_by_side else read_picture(source)
  watch = None
  if seen is not None and developed is not None:
    watch = partial(_with_developed, seen, developed)
  return enhance_picture(
    light,
    target,
    still,
    bits=bits,
    exif=read_exif(source),
    beside=developed if options.side_by_side else None,
    watch=watch,
  )


def _with_developed(watch: Watch, developed: Frame, light: Frame, after: Frame) -> None:
  """Shows a raw still: what it is compared with is not its light, but what a camera makes of it."""
  del light
  watch(developed, after)


def _no_ratio(source: str | os.PathLike[str], ratio: float) -> UserError:
  return UserError(
    f"--ratio={ratio:g}: is a number above 0, for raw stills ({' '.join(RAW_SUFFIXES[:8])} ...), "
    f"found {source}; leave it out"
  )
