"""Pickles read without running what they hold: only names from a given table are looked up."""

import pickle
from collections.abc import Mapping
from typing import Any, BinaryIO


class RefusedError(Exception):
  """A pickle names a class or function, "module.name", that is not in the table."""


class Unpickler(pickle.Unpickler):
  """Builds plain containers, numbers and text, and what a table allows.

  A name is never imported: it either is a key of the table, which says what is called instead, or
  it is refused. So a table must hold nothing that does harm with arguments of a stranger's choice.
  """

  def __init__(
    self, file: BinaryIO, allowed: Mapping[str, Any], *, encoding: str = "ASCII"
  ) -> None:
    """Reads from `file`.

    Args:
      file: the pickle.
      allowed: what is called for each "module.name" that the pickle may have.
      encoding: of text that Python 2 wrote.
    """
    super().__init__(file, encoding=encoding)
    self._allowed = allowed

  def find_class(self, module: str, name: str) -> Any:
    """What the table has for a name.

    Raises:
      RefusedError: nothing; holds the name.
    """
    try:
      return self._allowed[f"{module}.{name}"]
    except KeyError:
      raise RefusedError(f"{module}.{name}") from None
