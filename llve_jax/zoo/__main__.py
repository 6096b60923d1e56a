"""Lists the networks that come with llve_jax, or prints the model card of one.

python -m llve_jax.zoo
python -m llve_jax.zoo NAME
"""

from collections.abc import Sequence
from pathlib import Path

from llve_jax.errors import UserError, run_main
from llve_jax.zoo import shipped, trained


def table() -> str:
  """One line a network: name, size, parameters, licence, figures, what it is for."""
  rows = [("name", "size", "parameters", "licence", "figures", "for")]
  for name, entry in shipped.SHIPPED.items():
    size = f"{shipped.checked(name, quiet=True).stat().st_size / 1e6:.2f} MB"
    default = " (default)" if name == shipped.DEFAULT else ""
    count = f"{entry.parameters:,}"
    rows.append((name + default, size, count, entry.licence, entry.figures, entry.summary))
  widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
  lines = [
    "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for row in rows
  ]
  return "\n".join(lines)


def main(argv: Sequence[str]) -> None:
  """Reads the command line."""
  match argv[1:]:
    case []:
      print(table())
    case ["pack", workdir, path]:
      source = Path(workdir)
      source = source / trained.BEST if source.is_dir() else source
      print(f"{path}: SHA-256 {shipped.pack(source, path)}")
    case [name]:
      shipped.checked(name, quiet=True)
      print(shipped.card_file(name).read_text(encoding="utf-8"))
    case others:
      raise UserError(f"expected nothing, NAME, or pack WORKDIR OUT; found {' '.join(others)}")


if __name__ == "__main__":
  run_main(main)
