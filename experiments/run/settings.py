"""Whether a run folder was begun with the settings that are given now."""

import hashlib
import json
from pathlib import Path
from typing import Any

from flax import traverse_util
from ml_collections import ConfigDict

from llve_jax.errors import UserError

# What may differ from one attempt to the next, since the result does not depend on it.
FREE = (
  "asked",
  "name",
  "profile",
  "mesh",
  "data.dir",
  "data.processes",
  "test_data.dir",
  "vgg19.file",
  "eval.batch",
  "train.log_every",
  "train.save_every",
  "train.keep",
  "train.keep_every",
  "train.keep_best",
  "train.init_from",
)
_SHOWN = 6  # differences in a message


def check_settings(path: Path, config: ConfigDict) -> None:
  """Refuses to go on with a run under settings that would make it another one.

  Args:
    path: config.json of the run folder; if there is none, everything is right.
    config: what is to be run now.

  Raises:
    UserError: settings differ; names them, or the file cannot be read.
  """
  if not path.is_file():
    return
  try:
    before = json.loads(path.read_text())
  except ValueError as error:
    raise UserError(
      f"{path}: expected the settings of the run as JSON, found something else ({error}); put it "
      "right, or remove it to go on with the settings that are given now"
    ) from None
  changed = differences(before, json.loads(config.to_json_best_effort()))
  if changed:
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    shown = "; ".join(changed[:_SHOWN])
    raise UserError(
      f"{path.parent}: this run was begun with other settings: {shown}{more}. "
      "Give the same ones, another --workdir, or --allow_changes to go on with the new ones"
    )


def fingerprint(config: ConfigDict) -> str:
  """The same for the same settings: what processes of one run compare."""
  return hashlib.sha256(config.to_json_best_effort(sort_keys=True).encode()).hexdigest()[:16]


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
  """`KEY is A, was B` for every setting that matters and differs, in order of the keys."""
  old, new = _flat(before), _flat(now)
  absent = "nothing"
  return [
    f"{key} is {new.get(key, absent)!r}, was {old.get(key, absent)!r}"
    for key in sorted(old.keys() | new.keys())
    if not _free(key) and old.get(key, absent) != new.get(key, absent)
  ]


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
  return {
    key: None if value is traverse_util.empty_node else value
    for key, value in traverse_util.flatten_dict(settings, sep=".", keep_empty_nodes=True).items()
  }


def _free(key: str) -> bool:
  return any(key == name or key.startswith(f"{name}.") for name in FREE)
