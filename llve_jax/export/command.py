"""What `python -m llve_jax.export` does."""

import os
from pathlib import Path

from llve_jax.errors import UserError
from llve_jax.export.formats import check_destination, export, known_format
from llve_jax.export.parity import size_text
from llve_jax.methods.classic import CLASSIC
from llve_jax.zoo import trained


def run(out: str, *, model: str | os.PathLike[str] | None, format: str = "saved_model") -> str:
  """Exports a network and says what was written.

  Args:
    out: where to.
    model: the folder of a training run, or a weights file.
    format: key of `FORMATS`.

  Raises:
    UserError: bad input, or an export that differs from the network.
  """
  # What costs nothing to check comes first: an export takes a minute.
  chosen = known_format(format)
  path = check_destination(out)
  if not model:
    raise UserError("no network given; pass --model=DIR, the folder of a training run")
  if os.fspath(model) in CLASSIC:
    raise UserError(f"{model} is a method without learning; only networks can be exported")
  network = trained.load(model)
  found = export(network, path, format)
  size = sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())
  return "\n".join(
    [
      f"wrote {out}: {network.name} as {format}, {size / 2**20:.1f} MiB",
      f"signature {chosen.signature}",
      f"largest difference to the network {found.largest:.1e} (allowed: {found.allowed:.1e}), "
      "measured in a fresh process without JAX:",
      *(f"  clips of {size_text(key)}: {value:.1e}" for key, value in found.differences.items()),
      "to use it:",
      chosen.snippet.format(path=out),
    ]
  )
