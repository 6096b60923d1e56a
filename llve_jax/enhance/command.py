"""What `python -m llve_jax.enhance` does, as a function."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from llve_jax.enhance import chosen
from llve_jax.enhance.files import Enhanced, check_paths
from llve_jax.enhance.pictures import bits_of, enhance_picture
from llve_jax.enhance.progress import show_progress
from llve_jax.enhance.videos import enhance_video
from llve_jax.errors import UserError
from llve_jax.io.images import read_exif, read_picture
from llve_jax.io.raw import RAW_SUFFIXES, read_raw
from llve_jax.io.video import Plan, make_plan, read_info
from llve_jax.io.video.plan import Sound
from llve_jax.io.video.source import OnError
from llve_jax.methods.method import Method


def run(
  source: str | os.PathLike[str],
  target: str | os.PathLike[str],
  *,
  model: str,
  side_by_side: bool = False,
  tile: int | None = None,
  batch: int | None = None,
  rows: int = 1,
  depth: int | None = None,
  ratio: float | None = None,
  stabilise: bool | None = None,
  strength: float = 1.0,
  sound: Sound = "copy",
  keep_interlaced: bool = False,
  on_error: OnError = "stop",
  dry_run: bool = False,
  quiet: bool = False,
) -> Enhanced | Plan:
  """Enhances an image or a video file into another; says on stderr what it does.

  Args:
    source: an image or a video.
    target: the file to write, of the same kind.
    model: a method, see `methods.load`; likewise `tile`, `batch` and `rows`.
    side_by_side: put the original to the left of the result.
    tile: largest side that a network runs in one piece.
    batch: frames per call of a network.
    rows: devices that share the rows of each frame, which then is run whole.
    depth: bits a channel of the result; None: as the input's, where the target can hold them.
    ratio: amplification of a raw still for a network that takes raw light; None: found in the file.
    stabilise: of a video, see `chosen.adjusted`.
    strength: see `methods.Mixed`.
    sound: of a video, see `make_plan`; likewise `keep_interlaced`.
    keep_interlaced: see `make_plan`.
    on_error: of a video, see `read_frames`.
    dry_run: returns the plan for a video and does nothing.
    quiet: says nothing.

  Raises:
    UserError: anything a user can put right; nothing is written then.
  """
  if (tile is not None and tile < 1) or (batch is not None and batch < 1):
    raise UserError(f"--tile and --batch must be at least 1, got tile {tile}, batch {batch}")
  say = _nothing if quiet else _say
  kind = check_paths(source, target)
  raw = Path(source).suffix.lower() in RAW_SUFFIXES
  if ratio is not None and not (raw and ratio > 0):
    raise UserError(
      f"--ratio={ratio:g}: is a number above 0, for raw stills ({' '.join(RAW_SUFFIXES[:8])} ...), "
      f"found {source}; leave it out"
    )
  at_once = 1 if kind == "image" else batch  # a batch would be filled with copies
  load = partial(chosen.load, model, tile=tile, batch=at_once, rows=rows)
  adjust = partial(chosen.adjusted, strength=strength, say=say)
  if kind == "image":
    if dry_run:
      raise UserError(f"--dry_run: {source} is a picture; only a video is planned first")
    if raw:
      method = load()
      if method.takes != "srgb":
        return _raw_still(
          source,
          target,
          model,
          adjust(method, stabilise=False),
          say,
          depth=depth,
          ratio=ratio,
          side_by_side=side_by_side,
        )
      if ratio is not None:
        raise UserError(
          f"--ratio={ratio:g}: {model} takes developed pictures, not raw light; leave it out"
        )
    picture = read_picture(source)
    bits = bits_of(source, target, 8 * picture.itemsize, depth)
    beside = picture if side_by_side else None
    height, width = picture.shape[:2]
    method = adjust(chosen.for_srgb(method if raw else load()), stabilise=False)
    chosen.tell(model, method, height, width, say)
    return enhance_picture(
      picture, target, method, bits=bits, exif=read_exif(source), beside=beside
    )
  info = read_info(source, on_error=on_error)
  plan = make_plan(
    info,
    target,
    width=info.width * (2 if side_by_side else 1),
    sound=sound,
    depth=depth,
    keep_interlaced=keep_interlaced,
  )
  if dry_run:
    return plan
  for word in plan.words:
    say(f"{source}: {word}")
  method = adjust(chosen.for_srgb(load()), stabilise=stabilise)
  chosen.tell(model, method, info.height, info.width, say)
  return enhance_video(
    plan,
    method,
    on_error=on_error,
    side_by_side=side_by_side,
    progress=iter if quiet else partial(show_progress, total=info.expected_frames),
  )


def _raw_still(
  source: str | os.PathLike[str],
  target: str | os.PathLike[str],
  model: str,
  method: Method,
  say: Callable[[str], None],
  *,
  depth: int | None,
  ratio: float | None,
  side_by_side: bool,
) -> Enhanced:
  """A raw file through a network that takes raw light."""
  from llve_jax.methods.raw_still import RawStill, find_ratio, light_of

  raw = read_raw(source)
  bits = bits_of(source, target, 16, depth)
  ratio = find_ratio(raw) if ratio is None else ratio
  light = light_of(raw, method.takes, ratio)
  still = RawStill(method, raw, ratio)
  height, width = light.shape[:2]
  chosen.tell(model, still, height, width, say)
  beside = read_picture(source) if side_by_side else None
  return enhance_picture(light, target, still, bits=bits, exif=read_exif(source), beside=beside)


def _nothing(text: str) -> None:
  del text


def _say(text: str) -> None:
  print(text, file=sys.stderr, flush=True)
