"""What `python -m llve_jax.enhance` does, as a function."""

import os
import sys
from functools import partial

from llve_jax import methods
from llve_jax.enhance.files import Enhanced, check_paths, enhance_image, enhance_video
from llve_jax.enhance.progress import show_progress
from llve_jax.errors import UserError
from llve_jax.io.images import read_image
from llve_jax.io.video_reader import read_info
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
) -> Enhanced:
  """Enhances an image or a video file into another; says on stderr what it does.

  Args:
    source: an image or a video.
    target: the file to write, of the same kind.
    model: a method, see `methods.load`; likewise `tile`, `batch` and `rows`.
    side_by_side: put the original to the left of the result.
    tile: largest side that a network runs in one piece.
    batch: frames per call of a network.
    rows: devices that share the rows of each frame, which then is run whole.

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
  info = read_info(source)
  if info.color.is_hdr:
    _say(f"warning: {source} is HDR video; its tone curve is kept, but networks expect sRGB")
  return enhance_video(
    info,
    target,
    method(info.height, info.width),
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
