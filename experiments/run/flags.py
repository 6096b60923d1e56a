"""The flag `--config=FILE:VARIANT --config.key=value`, and what is wrong with what is typed."""

import ast
import importlib.util
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

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


def define(
  purpose: str, *, values: flags.FlagValues = flags.FLAGS, argv: list[str] | None = None
) -> flags.FlagHolder:
  """Defines `--config`; what the file does not preset may be set as well, see `known`.

  Let `check` look at the arguments first: this alone would take whatever name is typed.

  Args:
    purpose: the help.
    values: where it is defined.
    argv: the arguments, program name first; None: those of this process.
  """
  return config_flags.DEFINE_config_file(
    "config",
    None,
    purpose,
    flag_values=values,
    lock_config=False,
    accept_new_attributes=True,
    sys_argv=argv,
  )


def parse(arguments: Sequence[str]) -> ConfigDict:
  """The configuration that `--config=... --config.key=value ...` says; checks it, too."""
  argv = ["", *arguments]
  check(argv)
  values = flags.FlagValues()
  holder = define("", values=values, argv=argv)
  values(argv)
  return holder.value


def check(argv: Sequence[str]) -> None:
  """Refuses an unknown configuration, variant or key, and lists the known ones."""
  given = _given(argv[1:])
  if not given.get("config"):
    return
  config = load(given["config"])
  overrides = {name[7:]: value for name, value in given.items() if name.startswith("config.")}
  names = config.to_dict()
  for key, value in overrides.items():
    *path, last = key.split(".")
    if last == "name" and (at := _at(names, path)) is not None:
      at[last] = value  # of another network, other fields are known
  for key, value in overrides.items():
    _check_key(config, names, key, value)


def _given(arguments: Sequence[str]) -> dict[str, str]:
  """Flags by name; one without a value has an empty one."""
  found: dict[str, str] = {}
  for argument, after in itertools.zip_longest(arguments, arguments[1:], fillvalue=""):
    if argument.startswith("-"):
      name, equals, value = argument.lstrip("-").partition("=")
      if name.startswith("noconfig."):  # absl's way to say no
        name, value = name[2:], "False"
      elif not equals and (name == "config" or name.endswith(".name")):
        value = after  # `--config FILE`
      found[name] = value
  return found


def _at(config: dict[str, Any], path: Sequence[str]) -> dict[str, Any] | None:
  for part in path:
    inner = config.get(part)
    if not isinstance(inner, dict):
      return None
    config = inner
  return config


def _check_key(config: ConfigDict, names: dict[str, Any], key: str, value: str) -> None:
  at: object = config
  path: list[str] = []
  for part in key.split("."):
    so_far = ".".join(["config", *path])
    if not isinstance(at, ConfigDict):
      raise UserError(f"--config.{key}: {so_far} is a single value, {at!r}")
    if part not in at:
      _check_new(names, path, key, value, sorted(at))
      return
    at = at.get(part)
    path.append(part)


def _check_new(
  names: dict[str, Any], path: Sequence[str], key: str, value: str, present: Sequence[str]
) -> None:
  """Refuses a key that the file does not preset, unless the code takes it and the value fits."""
  from experiments.run import known  # with it come the networks

  settings = known.settings(names, tuple(path))
  part = key.split(".")[len(path)]
  if part not in settings or key.count(".") != len(path):
    listed = ", ".join(sorted({*present, *settings}))
    raise UserError(
      f"--config.{key}: {'.'.join(['config', *path])} has no {part!r}; known: {listed}"
    )
  default = settings[part]
  kind = type(default)
  if kind is float:
    fits = _is_number(value)
  elif kind in (bool, int, tuple):
    fits = type(_literal(value)) is kind
  else:
    fits = True
  if not fits:
    raise UserError(
      f"--config.{key}={value}: expected a value such as {default!r}, which is the default"
    )


def _is_number(value: str) -> bool:
  return type(_literal(value)) in (int, float)


def _literal(value: str) -> object:
  """As ml_collections reads a value whose type it does not know; nothing typed is true."""
  try:
    return ast.literal_eval({"true": "True", "false": "False", "": "True"}.get(value, value))
  except (SyntaxError, ValueError):
    return value
