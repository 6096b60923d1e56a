"""PyAV's rational numbers as Python's."""

from fractions import Fraction
from typing import Any


def fraction(value: Any) -> Fraction | None:
  """PyAV's rational (a Fraction up to PyAV 18, its own type since) as a Fraction; None if unset."""
  return Fraction(value.numerator, value.denominator) if value else None
