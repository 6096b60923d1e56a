"""Checks `--config=FILE:VARIANT --config.key=value` before the flags are parsed."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from llve_jax.errors import UserError


def load(config: str) -> ConfigDict:
  """The configuration that `FILE[:VARIANT,...]` names.

  Raises:
    UserError: no such file, no `get_config` in it, or a variant it does not know.
  """
  path, _, variants = config.partition(":")
  if not Path(path).is_file():
    known = sorted(str(p) for p in Path("experiments/configs").glob("*.py"))
    raise UserError(f"{path}: no such configuration; here are {', '.join(known) or 'none'}")
  spec = importlib.util.spec_from_file_location("llve_jax_config", path)
  assert spec is not None
  assert spec.loader is not None
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  if not hasattr(module, "get_config"):
    raise UserError(f"{path}: defines no get_config; expected a file like those it came with")
  try:
    return module.get_config(variants)
  except ValueError as error:
    raise UserError(f"{path}: {error}") from error


def check(argv: Sequence[str]) -> None:
  """Refuses an unknown configuration, variant or key, and lists the known ones."""
  arguments = list(argv[1:])
  flags = dict(argument.lstrip("-").partition("=")[::2] for argument in arguments)
  if "--config" in arguments[:-1]:
    flags["config"] = arguments[arguments.index("--config") + 1]
  if not flags.get("config"):
    return
  config = load(flags["config"])
  for name in flags:
    if name.startswith("config."):
      _check_key(config, name)


def _check_key(config: ConfigDict, name: str) -> None:
  at: object = config
  path = "config"
  for part in name.split(".")[1:]:
    if not isinstance(at, ConfigDict):
      raise UserError(f"--{name}: {path} is a single value, {at!r}")
    # kwargs are checked against the network when it is built.
    if part not in at and not path.endswith("kwargs"):
      raise UserError(f"--{name}: {path} has no {part!r}; known: {', '.join(sorted(at))}")
    at = at.get(part)
    path = f"{path}.{part}"
