"""The formats a network can be exported to, and the one way to write them: checked, then named."""

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import llve_jax
from llve_jax.errors import UserError
from llve_jax.export import parity, saved_model
from llve_jax.io.atomic import replacing
from llve_jax.zoo.trained import Trained

CARD = "llve_jax.json"


@dataclasses.dataclass(frozen=True)
class Format:
  """How one format is written, run and used.

  Attributes:
    write: writes an network to a path that does not exist yet.
    runner: script that runs the export in a fresh process (see `parity.measure`).
    signature: one line: inputs and outputs.
    snippet: lines that load it, with `{path!r}` for where it is.
  """

  write: Callable[[Trained, Path], None]
  runner: Path
  signature: str
  snippet: str


FORMATS: dict[str, Format] = {
  "saved_model": Format(
    saved_model.write, saved_model.RUNNER, saved_model.SIGNATURE, saved_model.SNIPPET
  ),
}


def known_format(name: str) -> Format:
  """The format called `name`.

  Raises:
    UserError: there is none; the message lists the known ones.
  """
  if name not in FORMATS:
    raise UserError(f"no export format is called {name!r}; known: {', '.join(sorted(FORMATS))}")
  return FORMATS[name]


def check_destination(out: str | os.PathLike[str]) -> Path:
  """Where an export to `out` would go, symbolic links followed.

  Raises:
    UserError: its folder is missing or read-only, or something that is no older export is there.
  """
  path = Path(out).resolve()
  if not path.parent.is_dir():
    raise UserError(f"{out}: the folder {path.parent} does not exist; create it first")
  if not os.access(path.parent, os.W_OK):
    raise UserError(f"{out}: the folder {path.parent} may not be written to; choose another one")
  replaceable = path.is_dir() and ((path / CARD).is_file() or not any(path.iterdir()))
  if path.exists() and not replaceable:
    raise UserError(
      f"{out}: exists and is no older export (it holds no {CARD}); choose another name or remove it"
    )
  return path


def export(
  network: Trained, out: str | os.PathLike[str], format: str = "saved_model"
) -> parity.Parity:
  """Writes a network in a format, unless it differs there from what it does here.

  The network is exported in float32, whatever type it was trained in. An older export at `out` is
  replaced. Beside the format's own files the folder holds `llve_jax.json`: which network it is,
  where its weights come from, and how far it differs.

  Returns:
    How far the export is from the network.

  Raises:
    UserError: unknown format, bad `out`, missing package, or an export that differs or fails; then
      nothing is left on disk and an older export stays.
  """
  chosen = known_format(format)
  path = check_destination(out)
  network = in_float32(network)
  with replacing(path) as temporary:
    chosen.write(network, temporary)
    found = parity.measure(network, temporary, chosen.runner)
    found.check()
    card = _card(network, format, chosen, found)
    (temporary / CARD).write_text(json.dumps(card, indent=2, default=str) + "\n")
  return found


def in_float32(network: Trained) -> Trained:
  """The same network, computing in float32 if its type can be chosen."""
  if not hasattr(network.module, "dtype"):
    return network
  return dataclasses.replace(network, module=network.module.clone(dtype=jnp.float32))


def _card(network: Trained, format: str, chosen: Format, found: parity.Parity) -> dict[str, Any]:
  return {
    "format": format,
    "signature": chosen.signature,
    "network": network.name,
    "kwargs": network.kwargs,
    "origin": network.origin,
    "versions": {"llve_jax": llve_jax.__version__, "jax": jax.__version__},
    "max_difference": {parity.size_text(size): value for size, value in found.differences.items()},
  }
