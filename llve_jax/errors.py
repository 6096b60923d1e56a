"""Errors a user can act on, and how a command shows them."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from absl import app, flags, logging

_EXHAUSTED = "RESOURCE_EXHAUSTED"  # how XLA begins to say that a device has no more memory
_LESS_MEMORY = (
  "out of memory: enhance takes less with a smaller --tile or --batch; training with a smaller "
  "data.batch or data.crop, train.accumulate=N (a batch in N parts), model.kwargs.remat=True, or "
  "more devices"
)


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
    except (MemoryError, RuntimeError) as error:
      if not isinstance(error, MemoryError) and _EXHAUSTED not in str(error):
        raise
      _fail(
        UserError(f"{_LESS_MEMORY} ({str(error).splitlines()[0] if str(error) else 'no more'})")
      )

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
