"""What `python -m llve_jax.enhance` does, as a function."""

import os
import sys
from functools import partial

from llve_jax import methods
from llve_jax.enhance.files import Enhanced, check_paths, enhance_image
from llve_jax.enhance.progress import show_progress
from llve_jax.enhance.videos import enhance_video
from llve_jax.errors import UserError
from llve_jax.io.images import read_image
from llve_jax.io.video import Plan, make_plan, read_info
from llve_jax.io.video.plan import Sound
from llve_jax.io.video.source import OnError
from llve_jax.methods.classic import CLASSIC
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
  sound: Sound = "copy",
  keep_interlaced: bool = False,
  on_error: OnError = "stop",
  dry_run: bool = False,
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
    depth: bits a channel of the result; None: as the input's.
    sound: of a video, see `make_plan`; likewise `keep_interlaced`.
    keep_interlaced: see `make_plan`.
    on_error: of a video, see `read_frames`.
    dry_run: returns the plan for a video and does nothing.

  Raises:
    UserError: anything a user can put right; nothing is written then.
  """
  if (tile is not None and tile < 1) or (batch is not None and batch < 1):
    raise UserError(f"--tile and --batch must be at least 1, got tile {tile}, batch {batch}")
  kind = check_paths(source, target)
  method = partial(_method, model, tile=tile, batch=batch, rows=rows)
  if kind == "image":
    image = read_image(source)
    return enhance_image(image, target, method(*image.shape[:2]), side_by_side=side_by_side)
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
    _say(f"{source}: {word}")
  return enhance_video(
    plan,
    method(info.height, info.width),
    on_error=on_error,
    side_by_side=side_by_side,
    progress=partial(show_progress, total=info.expected_frames),
  )


def _method(
  model: str, height: int, width: int, *, tile: int | None, batch: int | None, rows: int
) -> Method:
  """The method for frames of that size, told on stderr."""
  if model not in CLASSIC:
    # Imported here: a classic method should not wait for the libraries that networks need.
    from llve_jax.io.compilation import enable_cache
    from llve_jax.io.platform import without_tpu

    without_tpu()
    enable_cache()
  method = methods.load(model, tile=tile, batch=batch, rows=rows)
  if method.takes != "srgb":
    from llve_jax.methods.light import Undeveloped

    method = Undeveloped(method)
  about = method.about(height, width)
  if about != method.name:
    _say(f"{model}: {about}; compiling, once (the next run is faster) ...")
  return method


def _say(text: str) -> None:
  print(text, file=sys.stderr, flush=True)
