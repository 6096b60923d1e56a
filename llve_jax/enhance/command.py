"""What `python -m llve_jax.enhance` does with one file, as a function."""

import os
from functools import partial
from pathlib import Path

from llve_jax.enhance import chosen, live, looks
from llve_jax.enhance.account import Account, check_report, write_report
from llve_jax.enhance.clips import Mosaics, enhance_clip, is_clip
from llve_jax.enhance.files import Enhanced, check_paths, preview_paths
from llve_jax.enhance.in_parts import enhance_in_parts, part_length
from llve_jax.enhance.kept_parts import bytes_of_parts
from llve_jax.enhance.live import Shown
from llve_jax.enhance.options import Options, Watch
from llve_jax.enhance.pictures import bits_of, enhance_picture
from llve_jax.enhance.preview import Preview, preview
from llve_jax.enhance.videos import enhance_video
from llve_jax.errors import UserError
from llve_jax.io.images import read_exif, read_picture
from llve_jax.io.raw import RAW_SUFFIXES, read_raw
from llve_jax.io.video import Plan, make_plan, read_frames, read_info
from llve_jax.methods.method import Frame, Method


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
  if options.part is not None and options.part < 0:
    raise UserError(f"--part={options.part}: expected frames of a part, or 0 for all in one go")
  if any(each is not None and each < 1 for each in (options.tile, options.batch)):
    raise UserError(
      f"--tile and --batch must be at least 1, got tile {options.tile}, batch {options.batch}"
    )
  if is_clip(source, target):
    return _clip(source, target, options)
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


def show(source: str, port: int, **given: object) -> Shown:
  """Shows a camera, a stream or a file as it is brightened; see `live.show`.

  Args:
    source: see `io.video.live.Live`.
    port: of the page at 127.0.0.1; 0 takes one that is free.
    **given: the attributes of `Options`; those of files mean nothing.
  """
  options = Options(**given)  # type: ignore[arg-type]

  def method(first: Frame) -> Method:
    loaded = chosen.for_srgb(options.load(batch=1))  # frames must not wait for others
    made = options.adjusted(loaded, lambda: [[first]], stabilise=bool(options.stabilise))
    options.tell(made, *first.shape[:2])
    return made

  return live.show(source, method, port=port, say=options.say)


def _clip(
  source: str | os.PathLike[str], target: str | os.PathLike[str], options: Options
) -> Enhanced:
  """A film of single files."""
  for name, asked in (
    ("dry_run", options.dry_run),
    ("preview", options.preview is not None),
    ("report", options.report is not None),
    ("side_by_side", options.side_by_side),
  ):
    if asked:
      raise UserError(f"--{name}: {source} holds single files, and this is for a video file")

  def for_srgb(method: Method, first: Frame) -> Method:
    made = options.adjusted(method, lambda: [[first]], stabilise=options.stabilise)
    options.tell(made, *first.shape[:2])
    return made

  return enhance_clip(
    source,
    target,
    options.load(batch=options.batch),
    for_srgb,
    rate=options.rate,
    ratio=options.ratio,
    depth=options.depth or 8,
    mosaics=Mosaics(options.cfa, options.black, options.white),
    say=options.say,
    progress=partial(options.counted, total=None),
  )


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
  width = info.width * (2 if options.side_by_side else 1)
  length = part_length(info, width) if options.part is None else options.part
  plan = make_plan(
    info,
    target,
    width=width,
    sound=options.sound,
    depth=options.depth,
    keep_interlaced=options.keep_interlaced,
    parts=bytes_of_parts(target) if length else None,
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
  watch = options.watching(account)
  progress = partial(options.counted, total=info.expected_frames)
  if not length:
    return enhance_video(
      plan,
      method,
      on_error=options.on_error,
      side_by_side=options.side_by_side,
      watch=watch,
      progress=progress,
    )
  done = enhance_in_parts(
    plan,
    method,
    length,
    options.decisive(method.about(info.height, info.width)),
    say=options.say,
    on_error=options.on_error,
    side_by_side=options.side_by_side,
    watch=options.watch,
    progress=progress,
  )
  if account is not None:
    _compare(account, plan, options)
  return done


def _compare(account: Account, plan: Plan, options: Options) -> None:
  """Looks at a result that may have been made by several processes."""
  before = read_frames(
    plan.source.path, keep_interlaced=options.keep_interlaced, on_error=options.on_error
  )
  for one, other in zip(before, read_frames(plan.target), strict=False):
    width = one.image.shape[1]
    account.add(one.image, other.image[:, -width:] if options.side_by_side else other.image)


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
