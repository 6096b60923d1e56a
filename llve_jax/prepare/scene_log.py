"""One line of JSON for every crop that is kept and every file that is not."""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from llve_jax.io.atomic import replacing

FILE = "manifest.jsonl"
Record = dict[str, Any]


@dataclasses.dataclass
class SceneLog:
  """Gathers the records of one scene in the order they come.

  Attributes:
    scene: its name.
    records: see `kept` and `rejected`.
    sheet: the scene's part of the contact sheet, in HTML.
  """

  scene: str
  records: list[Record] = dataclasses.field(default_factory=list)
  sheet: list[str] = dataclasses.field(default_factory=list)

  def keep(self, **fields: Any) -> None:
    """Adds what was written."""
    self.records.append({"status": "kept", "scene": self.scene, **fields})

  def reject(
    self, what: Literal["clip", "still", "pair"], file: Path | str, reason: str, **scores: Any
  ) -> None:
    """Adds a file that was left out, why, and the scores it got."""
    self.records.append(
      {"status": "rejected", "scene": self.scene, "what": what, "file": str(file)}
      | {"reason": reason, **scores}
    )

  @property
  def rejected(self) -> list[Record]:
    """The records of what was left out."""
    return [record for record in self.records if record["status"] == "rejected"]


def write(path: Path, records: Iterable[Record]) -> None:
  """Writes records, keys sorted, numbers rounded to a millionth; whole or not at all."""
  lines = [json.dumps(_rounded(record), sort_keys=True, allow_nan=False) for record in records]
  with replacing(path) as temporary:
    temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def read(path: Path) -> list[Record]:
  """The records of a manifest."""
  return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _rounded(value: Any) -> Any:
  if isinstance(value, float):
    return round(value, 6)
  if isinstance(value, dict):
    return {name: _rounded(item) for name, item in value.items()}
  if isinstance(value, list | tuple):
    return [_rounded(item) for item in value]
  return value
