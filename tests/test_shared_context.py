"""Programs share a context, and not for ever: each keeps what was lowered in it."""

from typing import Any

import jax

from tests import shared_context


def context_of(number: int) -> Any:
  """Where a program that no other test lowers has its types."""
  return jax.jit(lambda x: x + number).lower(1).compiler_ir().context


def test_programs_share_a_context_until_so_many_are_lowered() -> None:
  contexts = [context_of(number) for number in range(2 * shared_context._PROGRAMS + 1)]
  changes = [index for index in range(1, len(contexts)) if contexts[index] != contexts[index - 1]]
  assert len(changes) == 2
  assert changes[1] - changes[0] == shared_context._PROGRAMS
