"""The training batches that a configuration names."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
from ml_collections import ConfigDict

from llve_jax.data import mix, pipeline, sharding, source
from llve_jax.errors import UserError
from llve_jax.train import mesh


def open_split(settings: Mapping[str, Any], split: str) -> source.Source:
  """A split of the data set that `settings` names."""
  return source.open_split(
    settings["name"],
    split,
    config=settings["config"] or None,
    data_dir=settings["dir"] or None,
  )


@dataclasses.dataclass(frozen=True)
class Stream:
  """The batches of a run.

  Attributes:
    iterator: of this process's batches; what a checkpoint saves.
    batches: the same as global batches on devices.
    at: makes the k-th batch of this process once more.
    shapes: of a global batch, with its sharding.
    height: true rows of "low"; `shapes` may have more, see `mesh.on_true_rows`.
  """

  iterator: Any
  batches: Iterator[Any]
  at: Callable[[int], dict[str, Any]]
  shapes: dict[str, jax.ShapeDtypeStruct]
  height: int


def settings_of(config: ConfigDict, kind: str, context: int = 0) -> dict[str, Any]:
  """What a configuration says of the windows that the pipeline cuts; `context` is a trait."""
  data = config.data
  return {
    "frames": data.frames,
    "crop": (data.crop, data.crop_width) if data.crop_width else data.crop,
    "seed": config.seed,
    "augment": data.augment,
    "kind": kind,
    "apart": config.step.name == "siamese",
    "keep_negatives": data.keep_negatives,
    "blind": data.blind,
    "context": context,
    "pictures": data.pictures,
    "darkness": data.darken.to_dict(),
    "least_view": data.least_view,
    "resize": tuple(data.resize),
    "bursts": data.bursts,
  }


def open_stream(
  config: ConfigDict, kind: str, device_mesh: jax.sharding.Mesh, context: int = 0
) -> Stream:
  """Opens the training data that the configuration names."""
  settings = config.data
  part, parts = mesh.share(device_mesh)
  arguments: dict[str, Any] = {
    "batch": settings.batch // parts,
    **settings_of(config, kind, context),
    "process_index": part,
    "process_count": parts,
  }
  examples = open_split(settings, settings.train)
  if config.step.name == "unpaired_gan":
    same = settings.partner in ("", settings.train)
    arguments["partner"] = examples if same else open_split(settings, settings.partner)
    arguments["fixed_partner"] = settings.fixed_partner
  if settings.mix and config.step.name == "unpaired_gan":
    raise UserError("data.mix: unpaired training takes one data set and its partner, no mixture")
  others = [
    mix.Ingredient(key, open_split(other, other.train), other.weight)
    for key, other in settings.mix.items()
  ]
  if others:
    first_of_all = mix.Ingredient(settings.name, examples, settings.weight)
    dataset = mix.train_dataset([first_of_all, *others], **arguments)
  else:
    dataset = pipeline.train_dataset(examples, **arguments)
  iterator = pipeline.read_ahead(dataset, processes=settings.processes)
  placement = mesh.batch_sharding(device_mesh)
  first = dataset[0]
  return Stream(
    iterator=iterator,
    batches=(sharding.global_batch(batch, placement, parts=parts) for batch in iterator),
    at=dataset.__getitem__,
    shapes=sharding.global_shapes(first, placement, parts=parts),
    height=first["low"].shape[2],
  )
