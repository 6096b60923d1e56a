"""Arrays of this room meet at one rank: what NumPy's rule would widen raises."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def explicit_ranks() -> Iterator[None]:
  with jax.numpy_rank_promotion("raise"):
    yield
