"""EnlightenGAN's step on networks with kernels: devices, repetition, and that everything moves."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from llve_jax import models
from llve_jax.train import mesh
from llve_jax.train.state import Learner, State
from llve_jax.train.steps import unpaired_gan
from tests.train.steps.test_unpaired_gan import BATCH, DOTS, SHAPE, SIZE, both
from tests.train.steps.tiny import distance, first_state

pytestmark = pytest.mark.usefixtures("standard_promotion")

TINY = models.build("attention_unet", widths=(4,), bottleneck=8, align_corners=False, deviation=0.3)
JUDGES = {name: models.build_critic("patch_gan", layers=2, features=4) for name in DOTS}
# Adam would make of a rounding in a small gradient a step of full length.
# The generator's steps are short, as the features of random weights bend at every rectifier.
PLAIN = {"generator": optax.sgd(1e-4, momentum=0.9), "critic": optax.sgd(0.1, momentum=0.9)}
RUN = unpaired_gan.make_step(
  TINY, JUDGES, PLAIN["generator"], both(PLAIN["critic"]), patches=2, patch_size=SIZE
)


def fresh() -> State:
  critics = {
    "global": Learner(JUDGES["global"], PLAIN["critic"], SHAPE[1:]),
    "local": Learner(JUDGES["local"], PLAIN["critic"], (1, SIZE, SIZE, 3)),
  }
  return first_state(Learner(TINY, PLAIN["generator"], SHAPE), critics=critics)


def runs(frozen: Any, devices: Any, *batches: Any) -> list[tuple[State, list[dict[str, float]]]]:
  """The last state and the scalars of four steps on each batch, by one compiled program."""
  on = mesh.make_mesh(devices)
  compiled = mesh.compile_step(RUN, on)
  found = []
  for given in batches:
    batch = jax.device_put(given, mesh.batch_sharding(on))
    weights = jax.device_put(frozen, mesh.replicated(on))  # a step takes over what it is given
    state = dataclasses.replace(mesh.create_on(on, fresh), frozen=weights)
    logged = []
    for _ in range(4):
      state, scalars = compiled(state, batch)
      logged.append({name: float(value) for name, value in scalars.items()})
    found.append((state, logged))
  return found


def test_eight_devices_equal_one_and_a_run_repeats_to_the_bit(narrow: Any) -> None:
  random = np.random.default_rng(0)

  def rounded_otherwise(image: Any) -> Any:
    return np.float32(image * (1 + 1e-7 * random.standard_normal(image.shape)))

  others = [jax.tree.map(rounded_otherwise, BATCH) for _ in range(3)]
  (one, logged), (again, logged_again), *shaken = runs(
    narrow, jax.devices()[:1], BATCH, BATCH, *others
  )
  assert logged == logged_again
  for name in ("generator", "critics", "average"):
    assert distance(getattr(one, name), getattr(again, name)) == 0
  ((eight, spread),) = runs(narrow, jax.devices(), BATCH)
  # The norm jumps at the kinks of rectifiers, by what roundings of the batch tell.
  jump = max(
    abs(moved["gradient_norm"] / first["gradient_norm"] - 1)
    for _, steps in shaken
    for first, moved in zip(logged, steps, strict=True)
  )
  assert jump < 1e-3
  for first, second in zip(logged, spread, strict=True):
    for name in first:
      rtol = 2e-5 if name != "gradient_norm" else 2 * jump
      np.testing.assert_allclose(second[name], first[name], rtol=rtol, err_msg=name)
  assert len(eight.generator.params["head"]["kernel"].devices()) == 8
  start = fresh()
  for path, leaf in jax.tree_util.tree_leaves_with_path(
    jax.tree.map(lambda a, b: jnp.max(jnp.abs(a - b)), one.generator, start.generator)
  ):
    assert leaf > 0, path
  for name in JUDGES:
    assert distance(one.critics[name].params, start.critics[name].params) > 1e-3
