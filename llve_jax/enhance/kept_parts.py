"""The parts of a long video that are done, in a hidden folder beside the result.

Of each part a file of packets, and of the last one what its successor goes on with. The folder is
of one run: of another source, other settings or another program it is thrown away.
"""

import contextlib
import fcntl
import glob
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing
from llve_jax.io.tree import load_tree, save_tree

_RUN = "run.json"


def folder_of(target: Path) -> Path:
  """Where the parts of a result are kept."""
  return target.with_name(f".{target.name}.parts")


def bytes_of_parts(target: str | os.PathLike[str]) -> int:
  """How much of the disk the parts of a result take so far."""
  return sum(path.stat().st_size for path in folder_of(Path(target)).glob("*"))


class KeptParts:
  """A folder of parts, locked while it is open; a context manager.

  Attributes:
    count: parts that are done.
    state: what the next one goes on with; None at the start.
  """

  def __init__(self, target: Path, run: dict[str, Any]):
    """For a result.

    Args:
      target: the file that the parts become.
      run: what the parts depend on; JSON.
    """
    self._target = target
    self.folder, self._run = folder_of(target), json.loads(json.dumps(run))
    self.count = 0
    self.state: Any = None

  def __enter__(self) -> "KeptParts":
    """Takes up what is there, where it is of the same run.

    Raises:
      UserError: another process works there, or the folder cannot be made.
    """
    try:
      self.folder.mkdir(exist_ok=True)
      self._lock = (self.folder / "lock").open("w")
      fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      self._lock.close()
      raise UserError(
        f"{self.folder}: another process writes this result; wait for it, or stop it first"
      ) from error
    except OSError as error:
      raise UserError(f"{self.folder}: cannot be made ({error.strerror})") from error
    with contextlib.suppress(OSError, ValueError):
      if json.loads((self.folder / _RUN).read_text()) == self._run:
        self._take_up()
    if not self.count:
      self._clear()
      with replacing(self.folder / _RUN) as temporary:
        temporary.write_text(json.dumps(self._run))
    return self

  def __exit__(self, *error: object) -> None:
    """Leaves the folder, if anything is done."""
    if self.folder.exists() and not self.count:
      self.remove()
    self._lock.close()

  def remove(self) -> None:
    """All is done, or nothing is worth to be kept."""
    shutil.rmtree(self.folder, ignore_errors=True)
    target = self._target
    for left in target.parent.glob(f".{glob.escape(target.stem)}.*.part{target.suffix}"):
      left.unlink(missing_ok=True)  # of a process that was killed while it wrote the result

  def add(self, packets: Any, state: Any) -> None:
    """A part is done; raises as `save_tree`."""
    save_tree(self._path(self.count, "packets"), packets)
    save_tree(self._path(self.count, "state"), state)
    if self.count:
      self._path(self.count - 1, "state").unlink(missing_ok=True)
    self.count, self.state = self.count + 1, state

  def parts(self) -> Iterator[Any]:
    """The packets of each part."""
    for index in range(self.count):
      yield load_tree(self._path(index, "packets"))

  def _take_up(self) -> None:
    """Finds the last part that is whole, with all that are before it."""
    numbers = sorted(int(path.name[:6]) for path in self.folder.glob("[0-9]*.state.npz"))
    for number in reversed(numbers):
      with contextlib.suppress(UserError):
        self.state = load_tree(self._path(number, "state"))
        self.count = number + 1
        for _ in self.parts():
          pass
        return
    self.count, self.state = 0, None

  def _clear(self) -> None:
    for path in self.folder.iterdir():
      if path.name != "lock":
        path.unlink()

  def _path(self, index: int, kind: str) -> Path:
    return self.folder / f"{index:06d}.{kind}.npz"
