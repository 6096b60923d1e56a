"""The formats a network can be exported to, and the one way to write them: checked, then named."""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import jax.numpy as jnp

from llve_jax.errors import UserError
from llve_jax.export import litert, manifest, onnx_file, parity, saved_model, stablehlo
from llve_jax.export.options import Options, check_choices
from llve_jax.export.probes import Probe
from llve_jax.io.atomic import replacing
from llve_jax.zoo.trained import Trained

CARD = manifest.NAME


@dataclasses.dataclass(frozen=True)
class Format:
  """How one format is written, run and used.

  Attributes:
    prepare: what an export is tried on; refuses what cannot be written, before anything costs time.
    write: writes a network to a path that does not exist yet; returns a line for each signature.
    runner: script that runs the export in a fresh process (see `parity.measure`).
    snippet: lines that load it, with `{path!r}` for where it is, `{channels}` for those of a frame,
      and the first `{signature}` and what it is `{given}`.
    advice: what to do about an export that differs from its network.
  """

  prepare: Callable[[Trained, Options], list[Probe]]
  write: Callable[[Trained, Path, Options], list[str]]
  runner: Path
  snippet: str
  advice: str = parity.ADVICE


FORMATS: dict[str, Format] = {
  "litert": Format(litert.prepare, litert.write, litert.RUNNER, litert.SNIPPET, litert.ADVICE),
  "onnx": Format(
    onnx_file.prepare, onnx_file.write, onnx_file.RUNNER, onnx_file.SNIPPET, onnx_file.ADVICE
  ),
  "saved_model": Format(
    saved_model.prepare, saved_model.write, saved_model.RUNNER, saved_model.SNIPPET
  ),
  "stablehlo": Format(stablehlo.prepare, stablehlo.write, stablehlo.RUNNER, stablehlo.SNIPPET),
}


@dataclasses.dataclass(frozen=True)
class Written:
  """What has been written: its signatures, a line each, and how far it is from the network."""

  signatures: list[str]
  parity: parity.Parity


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
  _try_to_write(out, path)
  replaceable = path.is_dir() and ((path / CARD).is_file() or not any(path.iterdir()))
  if path.exists() and not replaceable:
    raise UserError(
      f"{out}: exists and is no older export (it holds no {CARD}); choose another name or remove it"
    )
  return path


def _try_to_write(out: str | os.PathLike[str], path: Path) -> None:
  """Makes a folder beside `path`, and removes it: permissions alone do not say whether one may."""
  trial = path.with_name(f".{path.name}.{os.getpid()}.try")
  try:
    trial.mkdir()
    trial.rmdir()
  except OSError as error:
    raise UserError(
      f"{out}: the folder {path.parent} cannot be written to ({error.strerror}); choose another one"
    ) from error


def export(
  network: Trained,
  out: str | os.PathLike[str],
  format: str = "saved_model",
  options: Options | None = None,
  *,
  shipped: str | None = None,
) -> Written:
  """Writes a network in a format, unless it differs there from what it does here.

  The network is exported in float32, whatever type it was trained in, unless `options` ask for
  fewer bits. An older export at `out` is replaced. Beside the format's own files the folder holds
  `llve_jax.json` (`llve_jax.export.manifest`), and the model card of a shipped network.

  Args:
    network: the network.
    out: where to.
    format: key of `FORMATS`.
    options: what else one may choose.
    shipped: the name of the network, if it is one that is shipped.

  Raises:
    UserError: unknown format, bad `out` or `options`, missing package, or an export that differs or
      fails; then nothing is left on disk and an older export stays.
  """
  options = options or Options()
  chosen = known_format(format)
  check_choices(options, format)
  path = check_destination(out)
  network = in_float32(network)
  probes = chosen.prepare(network, options)
  with replacing(path) as temporary:
    signatures = chosen.write(network, temporary, options)
    found = parity.measure(network, temporary, chosen.runner, probes, options.precision)
    found.check(chosen.advice)
    manifest.add_card(temporary, shipped)
    said = manifest.of(network, format, options, signatures, found, temporary, shipped)
    (temporary / CARD).write_text(json.dumps(said, indent=2, default=str) + "\n")
  return Written(signatures, found)


def export_several(
  network: Trained,
  out: str | os.PathLike[str],
  options: Mapping[str, Options],
  *,
  shipped: str | None = None,
) -> dict[str, Written]:
  """Writes a network in several formats, each into a folder of its name: all of them or none.

  Args:
    network: the network.
    out: where to.
    options: format -> what else one may choose.
    shipped: as `export`; raises what that raises.
  """
  path = check_destination(out)
  for format, each in options.items():  # before the first costs time
    known_format(format).prepare(in_float32(network), each)
  with replacing(path) as temporary:
    temporary.mkdir()
    written = {
      format: export(network, temporary / format, format, each, shipped=shipped)
      for format, each in options.items()
    }
    (temporary / CARD).write_text(json.dumps({"formats": list(options)}) + "\n")
  return written


def in_float32(network: Trained) -> Trained:
  """The same network, computing in float32 if its type can be chosen."""
  if not hasattr(network.module, "dtype"):
    return network
  return dataclasses.replace(network, module=network.module.clone(dtype=jnp.float32))
