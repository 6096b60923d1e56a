"""What a network costs that treats a moving picture otherwise: nothing, or as much as is known."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from llve_jax.models.contract import Traits
from llve_jax.ops.flow import random_flow
from llve_jax.train.objective import make_objective
from llve_jax.train.state import State
from llve_jax.train.steps import temporal
from tests.train.steps.test_temporal import BATCH, FRAMES, Remember, fresh, run

pytestmark = pytest.mark.usefixtures("standard_promotion")


class Pointwise(nn.Module):
  """Mixes the colours of a pixel; with `ramp`, adds what depends on the column."""

  ramp: bool = False
  scale: int = 1

  @property
  def traits(self) -> Traits:
    return Traits(stride=1, receptive_field=1, scale=self.scale)

  @nn.compact
  def __call__(self, clip: jax.Array, *, train: bool = False) -> dict[str, jax.Array]:
    del train
    out = nn.Dense(3)(jnp.repeat(jnp.repeat(clip, self.scale, 2), self.scale, 3))
    column = jnp.linspace(0.0, 1.0, out.shape[3]).reshape(1, 1, 1, -1, 1)
    return {"clip": out + column if self.ramp else out}


def consistency(module: Any, batch: Any = None, **options: Any) -> tuple[State, Any]:
  options = {"truncate": 2, "consistency_weight": 20.0, "max_motion": 3.0} | options
  return run(module, {"l1": 1.0}, batch, **options)


@pytest.mark.parametrize("scale", [1, 2])
def test_brightening_pixel_by_pixel_commutes_with_motion(scale: int) -> None:
  """Only what depends on the place costs."""
  low = BATCH["low"]
  if scale > 1:  # smooth enough that it matters little between which pixels one interpolates
    low = jnp.broadcast_to(jnp.linspace(0.0, 0.3, 16)[:, None], low.shape)
  batch = {"low": low, "high": jnp.repeat(jnp.repeat(BATCH["high"], scale, 2), scale, 3)}
  _, plain = consistency(Pointwise(scale=scale), batch)
  _, ramp = consistency(Pointwise(ramp=True, scale=scale), batch)
  bound = 1e-5 if scale == 1 else 0.01
  assert float(plain["loss/consistency"]) < bound
  assert float(ramp["loss/consistency"]) > 2 * bound
  np.testing.assert_allclose(
    ramp["loss"], ramp["loss/l1"] + 20 * ramp["loss/consistency"], rtol=1e-5
  )


def test_a_ramp_costs_what_the_motion_is_worth() -> None:
  """Moved by dx, a ramp of 1/15 a column is off by dx / 15 wherever both are known."""
  _, scalars = consistency(Pointwise(ramp=True))
  key = jax.random.fold_in(fresh(Pointwise()).step_key(), 2)
  flow = np.asarray(random_flow(key, 2, (16, 16), 3.0))
  y, x = np.mgrid[:16, :16]
  column, row = x + flow[..., 0], y + flow[..., 1]
  inside = (column >= 0) & (column <= 15) & (row >= 0) & (row <= 15)
  expected = [np.abs(flow[k, ..., 0])[inside[k]].mean() / 15 for k in (0, 1)]
  np.testing.assert_allclose(scalars["loss/consistency"], np.mean(expected), rtol=1e-3)


def test_single_images_will_do_and_it_is_learnt() -> None:
  batch = {name: clip[:, :1] for name, clip in BATCH.items()}
  adam = optax.adam(3e-3)
  options: Any = {"truncate": 1, "consistency_weight": 20.0, "max_motion": 3.0}
  step = jax.jit(temporal.make_step(FRAMES, make_objective({"l1": 0.01}), adam, **options))
  state, costs = fresh(FRAMES, adam), []
  for _ in range(10):
    state, scalars = step(
      dataclasses.replace(state, step=jnp.int32(0)), batch
    )  # the same motion every time
    costs.append(float(scalars["loss/consistency"]))
  assert 0 < costs[-1] < 0.7 * costs[0]


def test_the_moved_video_has_a_memory_of_its_own() -> None:
  """Cut or whole, the loss is the same: the moved clip goes on where it stopped."""
  _, whole = consistency(Remember(), truncate=6)
  _, cut = consistency(Remember(), truncate=2)
  assert float(whole["loss/consistency"]) > 1e-4
  for name in ("loss", "loss/consistency", "loss/l1"):
    np.testing.assert_allclose(cut[name], whole[name], rtol=1e-4)
