"""Which clips a method is scored on."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llve_jax.errors import UserError
from llve_jax.io.run_folder import SETTINGS

if TYPE_CHECKING:
  from llve_jax.data.clips import EvalClip


def split_clips(
  settings: Mapping[str, Any],
  split: str | None,
  data_dir: str | None,
  kind: str | None = None,
  *,
  targets: bool = True,
) -> Callable[[], Iterator["EvalClip"]]:
  """A function that reads the clips of a split from the start.

  Args:
    settings: a configuration's `data` or `test_data`, see `tested`.
    split: which; None: "test".
    data_dir: where TFDS keeps data sets, if not where the settings say.
    kind: of input that the network takes; None is as the data are stored.
    targets: without, clips need no bright frames.

  Raises:
    UserError: no such split, or it has no bright frames to compare with.
  """
  # These import TFDS, some seconds that the comparison of two folders need not wait.
  from llve_jax.data.clips import test_clips
  from llve_jax.data.source import open_split

  split = split or "test"
  source = open_split(
    settings["name"],
    split,
    config=settings.get("config") or None,
    data_dir=data_dir or settings.get("dir") or None,
  )
  if targets and len(source) and len(source[0]["high"]) == 0:
    raise UserError(
      f"{settings['name']}, split {split}: has no bright frames to compare with; name a data set "
      "of pairs (--config=FILE --config.test_data.name=NAME, --split and --data_dir where needed), "
      "or score what asks for none: --protocol=no_targets --niqe=FILE"
    )
  keep, size = bool(settings.get("keep_negatives", True)), tuple(settings.get("resize", ()))
  return lambda: test_clips(source, kind, keep_negatives=keep, resize=size, targets=targets)


def tested(config: Mapping[str, Any]) -> Mapping[str, Any]:
  """The settings of the data that a configuration is scored on: `test_data` if that is named."""
  other = dict(config.get("test_data") or {})
  if not other.get("name"):
    return config["data"]
  trained = config["data"]
  kept = {"keep_negatives": trained.get("keep_negatives", True)}
  return other | kept | {"resize": trained.get("resize", ())}


def trained_config(model: str) -> dict[str, Any]:
  """The configuration that training left in the folder of a run.

  Raises:
    UserError: there is none, or it is no JSON.
  """
  path = Path(model) / SETTINGS
  try:
    return json.loads(path.read_text())
  except FileNotFoundError:
    raise UserError(
      f"{path}: not found; {model} is no training run, so give --config=FILE, which names the data"
    ) from None
  except json.JSONDecodeError as error:
    raise UserError(f"{path}: not readable as JSON ({error}); give --config=FILE") from None
