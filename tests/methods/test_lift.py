"""More light than a method gives."""

import numpy as np
import pytest

from llve_jax.methods.classic import Classic
from llve_jax.methods.lift import Lifted
from llve_jax.ops.frames import to_16_bit, to_unit
from tests.methods.networks import noise, of_function


def test_odds_are_multiplied_and_ends_stay() -> None:
  frames = np.broadcast_to(np.array([0, 51, 255], np.uint8)[:, None], (2, 4, 3, 3))
  lifted = Lifted(Classic("input"), 4.0)(frames)
  np.testing.assert_array_equal(lifted[0, 0, :, 0], [0, 128, 255])  # 1/5 : odds 1/4 -> 1
  np.testing.assert_array_equal(Lifted(Classic("input"), 1.0)(frames), frames)


@pytest.mark.parametrize("rounded", [True, False])
def test_contrast_keeps_the_depth(rounded: bool) -> None:
  frames = to_16_bit(to_unit(noise(2, 64, 64)) / 8)
  method = Lifted(Classic("input"), 2.0, contrast=True)
  lifted = method(frames, rounded=rounded)
  assert lifted.dtype == (np.uint8 if rounded else np.float32)
  assert to_unit(lifted).std() > to_unit(Lifted(Classic("input"), 2.0)(frames)).std()
  assert method.about(64, 64) == "input, lifted 2 times, with local contrast"
  assert len(np.unique(lifted)) > (3000 if not rounded else 20)


def test_what_flickers_does_so_when_it_is_lifted() -> None:
  network, _ = of_function(lambda clip: clip)
  for method in (network, Classic("input")):
    assert Lifted(method, 2.0).flickers == method.flickers
  assert network.flickers != Classic("input").flickers


def test_a_factor_is_positive() -> None:
  with pytest.raises(ValueError, match="expected a positive factor"):
    Lifted(Classic("input"), 0.0)
