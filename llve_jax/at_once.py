"""The first word of a command: said before the libraries are loaded that it needs.

They take seconds, and whoever has typed something wants to see that it was heard. So a command says
what it begins with in a block between its imports, where nothing but this module is loaded yet; at
a terminal only: a log wants what came of it.
"""

import sys
from collections.abc import Sequence

_SILENT = {"--help", "-h", "--helpfull", "--helpshort", "--quiet", "-quiet", "--help=true"}


def say(doing: str, *flags: str) -> None:
  """Prints on a terminal what the command begins with, unless its help or no word is wanted.

  Args:
    doing: "reading", say, to which comes what was typed.
    flags: names of flags; the value of the first one that is given is what it is done to. Without,
      or if none is given: the first word that is no flag.
  """
  given = sys.argv[1:]
  if sys.stderr.isatty() and not _SILENT & set(given):
    print(" ".join([doing, *_named(given, flags), "..."]), file=sys.stderr, flush=True)


def _named(given: Sequence[str], flags: Sequence[str]) -> list[str]:
  """What it is done to, in a list of one; an empty one if nothing says so."""
  for flag in flags:
    for word, following in zip(given, [*given[1:], ""], strict=True):
      name, equals, value = word.lstrip("-").partition("=")
      if word.startswith("-") and name == flag and (value or not equals):
        return [value or following]
  return [word for word in given if not word.startswith("-")][:1]
