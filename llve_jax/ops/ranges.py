"""Draw a number from a range that a caller gave."""

import numpy as np

from llve_jax.errors import UserError

Range = tuple[float, float]


def ordered(name: str, bounds: Range) -> Range:
  """The range, if 0 <= low <= high.

  Raises:
    UserError: it is not; says so of `name`.
  """
  if len(bounds) != 2 or not 0 <= bounds[0] <= bounds[1]:
    raise UserError(f"{name}: expected (low, high) with 0 <= low <= high, found {bounds}")
  return bounds[0], bounds[1]


def uniform(rng: np.random.Generator, name: str, bounds: Range) -> float:
  """A number between `bounds`."""
  return float(rng.uniform(*ordered(name, bounds)))


def whole(rng: np.random.Generator, name: str, bounds: Range) -> int:
  """A whole number from the first of `bounds` to the last."""
  low, high = ordered(name, bounds)
  return int(rng.integers(int(low), int(high), endpoint=True))


def log_uniform(
  rng: np.random.Generator, name: str, bounds: Range, part: Range = (0.0, 1.0)
) -> float:
  """A number between `bounds`, uniform in its logarithm, from the given part of that range.

  Raises:
    UserError: the range is empty or starts at 0; (0, 0) is always 0.
  """
  low, high = ordered(name, bounds)
  position = rng.uniform(*part)
  if high == 0:
    return 0.0
  if low == 0:
    raise UserError(f"{name}: a range in logarithms cannot start at 0, found {bounds}")
  return float(low * (high / low) ** position)
