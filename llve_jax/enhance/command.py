"""What `python -m llve_jax.enhance` does, as a function."""

import itertools
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from llve_jax.enhance.files import (
  Enhanced,
  FrameStream,
  check_paths,
  enhance_image,
  enhance_video,
)
from llve_jax.enhance.progress import show_progress
from llve_jax.errors import UserError
from llve_jax.io.images import read_image
from llve_jax.io.video_reader import read_info
from llve_jax.shapes import Frame8

_CLASSIC_BATCH = 16


def run(
  source: str | os.PathLike[str],
  target: str | os.PathLike[str],
  *,
  workdir: str | None = None,
  classic: str | None = None,
  side_by_side: bool = False,
  tile: int | None = None,
  batch: int | None = None,
  rows: int = 1,
) -> Enhanced:
  """Enhances an image or a video file into another; says on stderr what it does.

  Args:
    source: an image or a video.
    target: the file to write, of the same kind.
    workdir: folder (or weights file) of a trained network; or
    classic: name of a method without learning. One of the two is needed.
    side_by_side: put the original to the left of the result.
    tile: largest side that a network runs in one piece.
    batch: frames per call.
    rows: devices that share the rows of each frame, which then is run whole.

  Raises:
    UserError: anything a user can put right; nothing is written then.
  """
  if (workdir is None) == (classic is None):
    raise UserError(
      "give exactly one of --workdir=DIR (a trained network) and --classic=NAME (a method without "
      "learning, say auto_gain)"
    )
  if (tile is not None and tile < 1) or (batch is not None and batch < 1):
    raise UserError(f"--tile and --batch must be at least 1, got tile {tile}, batch {batch}")
  if rows != 1 and (tile is not None or classic is not None):
    other = "--tile" if classic is None else "--classic"
    raise UserError(f"--rows={rows} has a network run whole frames; leave {other} out")
  kind = check_paths(source, target)
  stream: FrameStream
  if kind == "image":
    image = read_image(source)
    height, width = image.shape[:2]
    stream = _stream(height, width, workdir, classic, tile, batch, rows)
    return enhance_image(image, target, stream, side_by_side=side_by_side)
  info = read_info(source)
  if info.color.is_hdr:
    _say(f"warning: {source} is HDR video; its tone curve is kept, but networks expect sRGB")
  stream = _stream(info.height, info.width, workdir, classic, tile, batch, rows)
  return enhance_video(
    info,
    target,
    stream,
    side_by_side=side_by_side,
    progress=partial(show_progress, total=info.expected_frames),
  )


def _stream(
  height: int,
  width: int,
  workdir: str | None,
  classic: str | None,
  tile: int | None,
  batch: int | None,
  rows: int,
) -> FrameStream:
  if workdir is not None:
    return _network(height, width, Path(workdir), tile, batch, rows)
  assert classic is not None
  return _classic(classic, batch)


def _network(
  height: int, width: int, workdir: Path, tile: int | None, batch: int | None, rows: int
) -> FrameStream:
  # Imported here: a classic method should not wait for the libraries that networks need.
  from llve_jax.io.compilation import enable_cache
  from llve_jax.io.platform import without_tpu
  from llve_jax.methods.frames import enhance_frames, make_plan
  from llve_jax.methods.rows import InRows
  from llve_jax.zoo import trained

  without_tpu()
  enable_cache()
  enhancer = trained.load(workdir)
  network = enhancer if rows == 1 else InRows(enhancer, rows)
  if rows != 1:
    tile = max(height, width)
  plan = make_plan(height, width, enhancer.traits, tile=tile, batch=batch)
  split = "" if rows == 1 else f", rows split over {rows} devices"
  _say(
    f"{enhancer.name} from {workdir}: {plan}{split}; compiling, once (the next run is faster) ..."
  )
  apply = network.stream if enhancer.traits.streaming else network
  return lambda frames: enhance_frames(apply, enhancer.traits, frames, tile=tile, batch=plan.batch)


def _classic(name: str, batch: int | None) -> FrameStream:
  from llve_jax.methods import classic

  method = classic.build(name)

  def stream(frames: Iterator[Frame8]) -> Iterator[Frame8]:
    while group := list(itertools.islice(frames, batch or _CLASSIC_BATCH)):
      yield from method(np.stack(group))

  return stream


def _say(text: str) -> None:
  print(text, file=sys.stderr, flush=True)
