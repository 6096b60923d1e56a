"""From a picture to a picture, in the depth that both files can hold."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from llve_jax.enhance.files import Enhanced
from llve_jax.errors import UserError
from llve_jax.io.images import DEEP_SUFFIXES, to_depth, write_image
from llve_jax.methods.method import Frame, Method
from llve_jax.ops.frames import to_16_bit
from llve_jax.shapes import Frame8, Frame16


def bits_of(
  source: str | os.PathLike[str],
  target: str | os.PathLike[str],
  found: int,
  wanted: int | None = None,
) -> int:
  """Bits a channel of the result: as the source has, where the target can hold them.

  Where it cannot, that is said on stderr.

  Args:
    source: for messages.
    target: the file to write.
    found: bits a channel of the source.
    wanted: what the user asked for.

  Raises:
    UserError: another number than 8 or 16 is wanted, or 16 of a target that holds 8.
  """
  if wanted not in (None, 8, 16):
    raise UserError(f"--depth={wanted}: pictures are written with 8 or 16 bits a channel")
  deep = Path(target).suffix.lower() in DEEP_SUFFIXES
  if wanted == 16 and not deep:
    raise UserError(
      f"--depth=16: {target} holds 8 bits a channel; write one of {' '.join(DEEP_SUFFIXES)}"
    )
  if wanted is None and found == 16 and not deep:
    print(
      f"{source} has 16 bits a channel, {target} holds 8; .png or .tif would keep them",
      file=sys.stderr,
      flush=True,
    )
    return 8
  return wanted or found


def enhance_picture(
  frame: Frame,
  target: str | os.PathLike[str],
  method: Method,
  *,
  bits: int = 8,
  exif: bytes | None = None,
  beside: Frame8 | Frame16 | None = None,
  watch: Callable[[Frame, Frame], None] | None = None,
) -> Enhanced:
  """Enhances one picture.

  Args:
    frame: of the kind that the method takes.
    target: the file to write.
    method: enhances it.
    bits: 8 or 16 a channel; 16 are not rounded on the way.
    exif: tags to keep, see `images.read_exif`.
    beside: the original, which goes to the left of the result; shrunk if the result is smaller.
    watch: gets the frame before and after.

  Raises:
    UserError: the file cannot be written.
  """
  started = time.monotonic()
  (enhanced,) = method.stream([frame], rounded=bits == 8)
  enhanced = enhanced if bits == 8 else to_16_bit(enhanced)
  if watch is not None:
    watch(frame, enhanced)
  if beside is not None:
    height, width = enhanced.shape[:2]
    if beside.shape != enhanced.shape:
      beside = np.asarray(cv2.resize(beside, (width, height), interpolation=cv2.INTER_AREA))
    enhanced = np.concatenate([to_depth(beside, bits), enhanced], 1)
  write_image(target, enhanced, exif=exif)
  height, width = enhanced.shape[:2]
  return Enhanced(Path(target), 1, width, height, time.monotonic() - started)
