"""The published tables as data: which configuration trains each row, and what its authors report.

Sources: A: the turntable GAN, a final-year report of HKUST. B: CLSTM and 3-D CNN, a report of NTU.
C: the 3-D U-Net, a report of USC and its code. D: slides of the max-unpooling GAN. E: IllumiGAN, a
report on EnlightenGAN for video. Others are named by authors and year. Figures come from the
authors' own data, most of which was never published; only the order of rows can be compared.
"""

from experiments.reporting import other_tables, raw_tables, turntable_tables
from experiments.reporting.table import Table
from llve_jax.errors import UserError

TABLES: dict[str, Table] = turntable_tables.TABLES | raw_tables.TABLES | other_tables.TABLES


def get(names: str) -> dict[str, Table]:
  """The tables of a list such as "critic,finetune", each once; "all" is every one.

  Raises:
    UserError: no such table; the known ones are listed.
  """
  chosen = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
  if unknown := [name for name in chosen if name not in TABLES and name != "all"]:
    raise UserError(f"no table {', '.join(unknown)}; known: {', '.join(TABLES)}, all")
  if not chosen:
    raise UserError(f"--table names no table; known: {', '.join(TABLES)}, all")
  return dict(TABLES) if "all" in chosen else {name: TABLES[name] for name in chosen}
