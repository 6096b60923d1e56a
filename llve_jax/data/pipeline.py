"""From the examples of a data set to an endless stream of training batches.

The k-th element of the stream depends on the seed and on k alone, not on threads, on how many
processes share the work, or on whether the run was stopped in between.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import grain
import numpy as np

from llve_jax.data.augment import AUGMENTATIONS, FOR_SQUARES, Pair, Size, named, sides
from llve_jax.data.bursts import BurstWindow
from llve_jax.data.dark import DarkWindow, dark_kind, is_bright
from llve_jax.data.light import chosen_kind
from llve_jax.data.mosaic import MosaicWindow
from llve_jax.data.processes import InProcesses
from llve_jax.data.source import Cached, Source
from llve_jax.data.unpaired import Couples, UnpairedWindow
from llve_jax.data.window import Window
from llve_jax.errors import UserError


def example_dataset(
  source: Source,
  *,
  frames: int,
  crop: Size,
  seed: int,
  kind: str | None = None,
  augment: bool | str = True,
  apart: bool = False,
  partner: Source | None = None,
  fixed_partner: bool = False,
  keep_negatives: bool = True,
  blind: bool = False,
  context: int = 0,
  pictures: bool = False,
  darkness: Mapping[str, Any] | None = None,
  least_view: float = 1.0,
  resize: Sequence[int] = (),
  bursts: bool = False,
  cache_bytes: int = 2**29,
) -> grain.MapDataset[Pair]:
  """Shuffled, cropped and augmented pairs without end, by number; `train_dataset` batches them.

  Each pass over the data is shuffled anew. Examples that say how their mosaics are laid out ("cfa")
  go through `MosaicWindow`, couples of different scenes through `UnpairedWindow`, those without
  dark frames through `DarkWindow` or `BurstWindow`, others through `Window`.

  Args:
    source: random-access examples with encoded "low" and "high" (see `open_split`).
    frames: consecutive frames per clip.
    crop: side of the square that is cut from the frames, or (height, width), in pixels; of mosaics,
      in packed ones. What is no square goes with "flip", which then mirrors only, and "none".
    seed: of shuffling, windows and augmentation, 0 to 2**32 - 1.
    kind: of input that the network takes, see `data.light`; None is as the data are stored.
    augment: a key of `AUGMENTATIONS`; True is "turntable", of mosaics "turn"; with False or "none"
      only windows and crops are random.
    apart: any frames of a segment and not consecutive ones, for still scenes: Chen et al., "Seeing
      Motion in the Dark", ICCV 2019, compare two such frames of one scene.
    partner: examples whose "high" takes the place of that of `source`, for unpaired training.
    fixed_partner: which one, see `Couples`.
    keep_negatives: of mosaics, see `MosaicWindow`.
    blind: of mosaics, see `MosaicWindow`.
    context: side of a small view of the whole dark frames that goes with each window; 0: none.
    pictures: whether a pair of single pictures stands for a clip of `frames`, see `data.stills`.
    darkness: keyword arguments of `ops.darkening.draw`, for examples without dark frames.
    least_view: of examples without dark frames, see `DarkWindow`.
    resize: (height, width) that whole pairs of RGB are brought to before they are cut; empty: they
      stay as they are.
    bursts: make noisy bursts of examples without dark frames, as raw light, see `data.bursts`.
    cache_bytes: encoded examples kept in memory, so that a small data set is read once.

  Returns:
    Pairs {"low", "high"}, float32 [frames, height, width, 3] in [0, 1], and "mask", with one
    channel, if the examples have one; of mosaics as `MosaicWindow` says. "context", if asked for,
    is [frames, side, side, 3]. "id" says where it comes from, text.

  Raises:
    UserError: no examples, the first one is smaller than the window, or the data cannot give what
      is wanted.
  """
  if len(source) == 0:
    raise UserError(f"{source}: expected examples to train on, found none")
  first = source[0]
  dark = partner is None and is_bright(first)
  if bursts and not (dark and kind == "raw_rgb" and not context):
    raise UserError(
      "bursts=True: makes raw light (raw_rgb) of bright frames alone, without a view of whole "
      f"frames; found {'bright' if dark else 'dark and bright'} frames, {kind or 'their kind'}"
    )
  if not bursts:
    kind = dark_kind(first, kind) if dark else chosen_kind(first, kind)
  mosaics = "cfa" in first
  name = named(augment, mosaics=mosaics)
  height, width = sides(crop)
  if height != width and name in FOR_SQUARES:
    raise UserError(
      f"augment={name!r} lays frames on their side, which takes a square crop, found "
      f'crop=({height}, {width}) (height, width); take augment="flip" or "none"'
    )
  kept: Source = Cached(source, cache_bytes)
  window: grain.transforms.RandomMap = Window(
    frames=frames, crop=crop, apart=apart, context=context, pictures=pictures, resize=resize
  )
  if resize and (mosaics or partner is not None or dark):
    found = "mosaics" if mosaics else "bright frames alone" if dark else "unpaired training"
    raise UserError(f"resize={tuple(resize)}: is for pairs of RGB, found {found}; leave it empty")
  if context and (mosaics or partner is not None):
    found = "mosaics" if mosaics else "unpaired training"
    raise UserError(f"context={context}: a view of whole frames is for pairs of RGB, found {found}")
  if partner is not None:
    if mosaics or apart:
      found = "mosaics" if mosaics else "apart=True"
      raise UserError(f"unpaired training takes consecutive frames of RGB, found {found}")
    bright = kept if partner is source else Cached(partner, cache_bytes)
    kept = Couples(kept, bright, fixed=fixed_partner)
    window = UnpairedWindow(bright, frames=frames, crop=crop, flips=name != "none")
  elif mosaics:
    turns: Any = "flip" if name == "flip" else name == "turn"
    if name == "mirror":
      raise UserError('augment="mirror" is for RGB; of mosaics take "flip", "turn" or "none"')
    window = MosaicWindow(
      frames=frames,
      crop=crop,
      kind=kind,
      apart=apart,
      keep_negatives=keep_negatives,
      augment=turns,
      blind=blind,
    )
  elif bursts:
    window = BurstWindow(frames=frames, crop=crop)
  elif dark:
    window = DarkWindow(
      frames=frames, crop=crop, context=context, ranges=darkness, least_view=least_view
    )
  window.random_map(kept[0], np.random.default_rng(seed))  # Fail now, not in a thread.

  dataset = grain.MapDataset.source(kept).seed(seed)
  dataset = dataset.shuffle().repeat().random_map(window)
  together = AUGMENTATIONS[name]
  if together is not None and not mosaics:
    dataset = dataset.random_map(together(height == width))
  return dataset


def batched(
  pairs: grain.MapDataset[Pair], batch: int, process_index: int = 0, process_count: int = 1
) -> grain.MapDataset[dict[str, np.ndarray]]:
  """Batches of `batch` pairs for this process, by number.

  Process p of P gets every P-th batch, from the p-th on: joined in the order of processes they are
  the batches of one process with `batch * P`.
  """
  # Slicing batches, not examples, keeps the order within a global batch.
  return pairs.batch(batch, drop_remainder=True)[process_index::process_count]


def train_dataset(
  source: Source,
  *,
  batch: int,
  process_index: int = 0,
  process_count: int = 1,
  **settings: Any,
) -> grain.MapDataset[dict[str, np.ndarray]]:
  """Batches of `example_dataset` without end, by number: `dataset[k]` is the k-th of this process.

  Args:
    source: random-access examples, see `open_split`.
    batch: clips per batch of this process.
    process_index: which of the processes this is.
    process_count: how many processes share the data.
    **settings: of `example_dataset`, which says what is returned and what can go wrong.
  """
  return batched(example_dataset(source, **settings), batch, process_index, process_count)


def read_ahead(
  dataset: grain.MapDataset[dict[str, np.ndarray]],
  threads: int | None = None,
  *,
  processes: int = 0,
) -> grain.DatasetIterator[dict[str, np.ndarray]]:
  """Goes through a `train_dataset` from the beginning and prepares batches ahead of need.

  Args:
    dataset: batches by number.
    threads: batches prepared at the same time, in each process; None is one per core over all
      processes, at most 16; 0 prepares each batch when it is asked for.
    processes: further processes that prepare the batches, each with a cache of its own; 0: this
      one does. Then close the iterator after use.

  Returns:
    An iterator. Its `get_state()` and `set_state(state)` save and restore the place in the stream,
    whatever the number of threads and processes; so does `grain.checkpoint.CheckpointSave` in an
    orbax checkpoint.
  """
  cores = (os.cpu_count() or 1) // max(1, processes)
  threads = min(16, max(1, cores)) if threads is None else threads
  options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)
  if processes:
    return InProcesses(dataset, processes, options)
  return iter(dataset.to_iter_dataset(options))


def train_iterator(
  source: Source, *, threads: int | None = None, **settings: Any
) -> grain.DatasetIterator[dict[str, np.ndarray]]:
  """`read_ahead` of `train_dataset`, which says what the settings are and what can go wrong."""
  return read_ahead(train_dataset(source, **settings), threads)
