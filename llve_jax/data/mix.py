"""One stream of training batches out of several data sets."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import grain
import numpy as np

from llve_jax.data.augment import Pair
from llve_jax.data.pipeline import batched, example_dataset
from llve_jax.data.source import Source
from llve_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Ingredient:
  """One data set of a mixture.

  Attributes:
    name: by which messages call it.
    source: its examples.
    weight: its share of the clips is this over the sum of all weights.
    settings: of `pipeline.example_dataset`, where they differ from those of the mixture.
  """

  name: str
  source: Source
  weight: float = 1.0
  settings: dict[str, Any] = dataclasses.field(default_factory=dict)


def train_dataset(
  ingredients: Sequence[Ingredient],
  *,
  batch: int,
  seed: int,
  process_index: int = 0,
  process_count: int = 1,
  cache_bytes: int = 2**29,
  **settings: Any,
) -> grain.MapDataset[dict[str, np.ndarray]]:
  """Batches whose clips come from all data sets, in a fixed order, each as often as it weighs.

  The k-th batch depends on the seed and k alone. A batch has one shape, so that a step is compiled
  once: let `pictures` stand for clips where there are both, see `data.stills`.

  Args:
    ingredients: the data sets.
    batch: clips per batch of this process.
    seed: as of `pipeline.example_dataset`; that of each data set but the first follows from it.
    process_index: which of the processes this is.
    process_count: how many processes share the data.
    cache_bytes: encoded examples kept in memory, of all data sets together.
    **settings: of `pipeline.example_dataset`, for all.

  Raises:
    UserError: a weight is not positive; data sets differ in kind; or as `example_dataset`, with the
      data set's name.
  """
  if not ingredients:
    raise UserError("a mixture of no data sets: expected at least one")
  datasets: list[grain.MapDataset[Pair]] = []
  for number, part in enumerate(ingredients):
    if not (math.isfinite(part.weight) and part.weight > 0):
      raise UserError(
        f"{part.name}: expected a weight above 0, found {part.weight}; or leave it out"
      )
    own = {
      "seed": seed if number == 0 else _further(seed, number),
      "cache_bytes": cache_bytes // len(ingredients),
    }
    try:
      datasets.append(example_dataset(part.source, **(settings | own | part.settings)))
    except UserError as error:
      raise UserError(f"{part.name}: {error}") from None
  _check_alike(ingredients, datasets)
  if len(datasets) == 1:
    return batched(datasets[0], batch, process_index, process_count)
  mixed = grain.MapDataset.mix(datasets, weights=[part.weight for part in ingredients])
  return batched(mixed, batch, process_index, process_count)


def _further(seed: int, number: int) -> int:
  return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _check_alike(
  ingredients: Sequence[Ingredient], datasets: Sequence[grain.MapDataset[Pair]]
) -> None:
  """Refuses data sets whose pairs cannot stand in one batch."""
  shapes = [
    {key: np.shape(value) for key, value in dataset[0].items() if key != "id"}
    for dataset in datasets
  ]
  for part, found in zip(ingredients, shapes, strict=True):
    if found != shapes[0]:
      raise UserError(
        f"the data sets {ingredients[0].name} and {part.name} differ in kind and cannot be mixed: "
        f"the first gives {_listed(shapes[0])}, the second {_listed(found)}"
      )


def _listed(shapes: dict[str, tuple[int, ...]]) -> str:
  return ", ".join(f"{key} {list(shape)}" for key, shape in shapes.items())
