"""What TensorBoard shows beside scalars: pictures, clips that move, traces of the profiler."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from flax import traverse_util
from jaxtyping import UInt8
from PIL import Image
from tensorboardX import SummaryWriter
from tensorboardX.proto.summary_pb2 import Summary

from llve_jax.train.state import State

PREVIEW_RATE = 10  # frames per second of moving clips


def show(writer: SummaryWriter, name: str, picture: UInt8[np.ndarray, "..."], step: int) -> None:
  """Adds a picture [h, w, 3], or a clip [t, h, w, 3] as an animated GIF, to the images."""
  if picture.ndim == 3:
    writer.add_image(name, picture, step, dataformats="HWC")
    return
  # SummaryWriter.add_video needs moviepy; an image summary may hold any encoded image.
  image = Summary.Image(
    height=picture.shape[1],
    width=picture.shape[2],
    colorspace=3,
    encoded_image_string=animated(picture),
  )
  writer.file_writer.add_summary(Summary(value=[Summary.Value(tag=name, image=image)]), step)


def animated(frames: UInt8[np.ndarray, "t h w 3"], rate: float = PREVIEW_RATE) -> bytes:
  """Frames as an endless GIF of 256 colours."""
  images: Sequence[Image.Image] = [Image.fromarray(frame) for frame in frames]
  buffer = io.BytesIO()
  images[0].save(
    buffer,
    format="GIF",
    save_all=True,
    append_images=images[1:],
    duration=round(1000 / rate),
    loop=0,
  )
  return buffer.getvalue()


def add_hyperparameters(
  writer: SummaryWriter, settings: Mapping[str, Any], metrics: Mapping[str, float]
) -> None:
  """Adds what a run was set to and what came out to TensorBoard's table of hyper-parameters.

  Args:
    writer: of the run.
    settings: nested; a value deep inside is called by its path, such as `optimizer.rate`.
    metrics: the final ones.
  """
  flat = traverse_util.flatten_dict(dict(settings), sep=".")
  plain = {name: v if isinstance(v, bool | int | float) else str(v) for name, v in flat.items()}
  scores = {f"final/{name}": value for name, value in metrics.items()}
  writer.add_hparams(plain, scores, name="hyperparameters")


class Profile:
  """Records a trace of a few steps, for TensorBoard's profiler and for Perfetto."""

  def __init__(self, folder: str, *, first: int, steps: int = 3):
    """Traces the `steps` steps that come after step `first` into `folder`."""
    self._folder, self._first, self._last = folder, first, first + steps
    self._on = False

  def __call__(self, step: int, state: State, *, last: bool) -> State:
    """Begins or ends the trace if it is time."""
    if step == self._first and not last:
      jax.block_until_ready(state.step)
      jax.profiler.start_trace(self._folder)
      self._on = True
    elif self._on and (step >= self._last or last):
      jax.block_until_ready(state.step)
      jax.profiler.stop_trace()
      self._on = False
      print(f"step {step}  trace of the profiler in {self._folder}", flush=True)
    return state
