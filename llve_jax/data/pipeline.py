"""From the examples of a data set to an endless stream of training batches.

The k-th element of the stream depends on the seed and on k alone, not on threads, on how many
processes share the work, or on whether the run was stopped in between.
"""

import os
from typing import Any

import grain
import numpy as np

from llve_jax.data.augment import Augment, Pair, crop
from llve_jax.data.frames import as_float, decode_beside, decode_window, draw_start
from llve_jax.data.mosaic import MosaicWindow
from llve_jax.data.source import Cached, Source
from llve_jax.errors import UserError


class Window(grain.transforms.RandomMap):
  """Cuts a random window of consecutive frames and a random square from an encoded example.

  Attributes:
    frames: consecutive frames to keep; only these are decoded.
    crop: side of the square, in pixels.
  """

  def __init__(self, *, frames: int, crop: int):
    self.frames = frames
    self.crop = crop

  def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> Pair:
    """Returns float32 clips [frames, crop, crop, 3] in [0, 1].

    A single bright frame is the target of every dark one. Where the example has a mask, so has the
    window: [frames, crop, crop, 1].

    Raises:
      UserError: the example is shorter or smaller than the window, or its clips do not match.
    """
    clip = element["clip"].decode()
    start = draw_start(element, self.frames, rng)
    low, high = decode_window(element, start, self.frames)
    if low.shape != high.shape:
      raise UserError(f"{clip}: the dark frames are {low.shape[1:]}, the bright {high.shape[1:]}")
    masks = []
    if "mask" in element:
      masks = [decode_beside(element, "mask", start, self.frames)[..., :1]]
    try:
      low, target = crop(low, np.concatenate([high, *masks], axis=-1), rng, self.crop)
    except UserError as error:
      raise UserError(f"{clip}: {error}") from None
    pair: Pair = {"low": as_float(low), "high": as_float(target[..., : high.shape[-1]])}
    if masks:
      pair["mask"] = as_float(target[..., high.shape[-1] :])
    return pair


def train_iterator(
  source: Source,
  *,
  batch: int,
  frames: int,
  crop: int,
  seed: int,
  augment: bool = True,
  process_index: int = 0,
  process_count: int = 1,
  keep_negatives: bool = True,
  blind: bool = False,
  threads: int | None = None,
  cache_bytes: int = 2**29,
) -> grain.DatasetIterator:
  """Streams shuffled, cropped and augmented batches without end.

  Each pass over the data is shuffled anew. Process p of P gets every P-th batch, from the p-th
  on: joined in the order of processes they are the batches of one process with `batch * P`.

  Examples that say how their mosaics are laid out ("cfa") go through `MosaicWindow`, others through
  `Window` and `Augment`.

  Args:
    source: random-access examples with encoded "low" and "high" (see `open_split`).
    batch: clips per batch of this process.
    frames: consecutive frames per clip.
    crop: side of the square that is cut from the frames, in pixels; of mosaics, in packed ones.
    seed: of shuffling, windows and augmentation, 0 to 2**32 - 1.
    augment: System A's augmentations, or of mosaics those of `MosaicWindow`; without them only
      windows and crops are random.
    process_index: which of the processes this is.
    process_count: how many processes share the data.
    keep_negatives: of mosaics, see `MosaicWindow`.
    blind: of mosaics, see `MosaicWindow`.
    threads: batches prepared at the same time, and ahead of need; None is one per core, at most
      16; 0 prepares each batch when it is asked for.
    cache_bytes: encoded examples kept in memory, so that a small data set is read once.

  Returns:
    An iterator of {"low", "high"}, float32 [batch, frames, crop, crop, 3] in [0, 1], and "mask",
    with one channel, if the examples have one; of mosaics as `MosaicWindow` says. Its
    `get_state()` and `set_state(state)` save and restore the place in the stream; so does
    `grain.checkpoint.CheckpointSave` in an orbax checkpoint.

  Raises:
    UserError: no examples, or the first one is smaller than the window.
  """
  if len(source) == 0:
    raise UserError(f"{source}: expected examples to train on, found none")
  first = source[0]
  mosaics = "cfa" in first
  window: grain.transforms.RandomMap = Window(frames=frames, crop=crop)
  if mosaics:
    window = MosaicWindow(
      frames=frames, crop=crop, keep_negatives=keep_negatives, augment=augment, blind=blind
    )
  window.random_map(first, np.random.default_rng(seed))  # Fail now, not in a thread.

  dataset = grain.MapDataset.source(Cached(source, cache_bytes)).seed(seed)
  dataset = dataset.shuffle().repeat().random_map(window)
  if augment and not mosaics:
    dataset = dataset.random_map(Augment())
  # Slicing batches, not examples, keeps the order within a global batch.
  dataset = dataset.batch(batch, drop_remainder=True)[process_index::process_count]
  threads = min(16, os.cpu_count() or 1) if threads is None else threads
  options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)
  return iter(dataset.to_iter_dataset(options))
