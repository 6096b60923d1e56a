"""Errors a user can act on, and how a command shows them."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from absl import app, flags, logging


class UserError(ValueError):
  """Bad input. The message names the file, what was expected, what was found and what to do."""


def run_main(
  main: Callable[[Sequence[str]], None], check: Callable[[Sequence[str]], None] | None = None
) -> None:
  """Runs an absl `main`; a `UserError` becomes one line on stderr and exit code 2.

  Args:
    main: gets the arguments that are no flags, program name first.
    check: gets all arguments before absl parses them, to refuse some with a clearer message.
  """

  def guarded(argv: Sequence[str]) -> None:
    if not flags.FLAGS["verbosity"].present:
      logging.set_verbosity(logging.WARNING)  # libraries tell of every file they touch
    try:
      main(argv)
    except UserError as error:
      _fail(error)

  def parse(argv: list[str]) -> Any:
    try:
      if check is not None:
        check(argv)
    except UserError as error:
      _fail(error)
    return app.parse_flags_with_usage(argv)

  app.run(guarded, flags_parser=parse)


def _fail(error: UserError) -> NoReturn:
  print(f"error: {error}", file=sys.stderr)
  sys.exit(2)
