"""What a configuration's numbers become in the parts of a run."""

from types import SimpleNamespace

import jax.numpy as jnp
import optax
import pytest
from ml_collections import ConfigDict

from experiments.configs import turntable_gan
from experiments.run.assemble import Run, settle_data

pytestmark = pytest.mark.usefixtures("standard_promotion")


def test_what_is_frozen_is_what_any_phase_looks_through() -> None:
  run = Run(turntable_gan.get_config("smoke"))
  phases = ({"vgg16": {"conv1_1": 1, "conv5_1": 5}}, {"vgg16": {"conv1_1": 1}, "vgg19": {"a": 2}})
  run.objectives = [SimpleNamespace(frozen=frozen) for frozen in phases]
  assert run.frozen == {"vgg16": {"conv1_1": 1, "conv5_1": 5}, "vgg19": {"a": 2}}


def rates(optimizer: optax.GradientTransformation, count: int) -> list[float]:
  """Of the first updates: Adam moves a weight whose gradient is always 1 by just the rate."""
  weight = jnp.zeros(())
  state, found = optimizer.init(weight), []
  for _ in range(count):
    update, state = optimizer.update(jnp.ones(()), state, weight)
    found.append(-float(update))
  return found


def test_the_critics_rate_drops_when_the_generators_does() -> None:
  """It is updated more often, so its own count runs ahead of the run's."""
  config = turntable_gan.get_config("smoke")
  config.train.steps = 8
  config.optimizer.rate, config.critics.critic.rate = 0.01, 0.04
  config.optimizer.schedule = ConfigDict({"name": "drops", "at": (0.5,), "factor": 0.1})
  config.step.options.critic_updates = 3
  run = Run(config)
  assert rates(run.generator_optimizer, 8) == pytest.approx([0.01] * 4 + [0.001] * 4, rel=1e-4)
  of_critic = rates(run.critic_optimizers["critic"], 24)
  assert of_critic == pytest.approx([0.04] * 12 + [0.004] * 12, rel=1e-4)


def test_test_data_lie_where_the_others_do_unless_it_is_said() -> None:
  config = turntable_gan.get_config("smoke")
  config.data.update(name="smid", dir="/data")
  config.test_data.update(name="dark_clips", dir="")
  settle_data(config, "srgb")
  assert config.test_data.dir == "/data"
  config.test_data.dir = "/other"
  settle_data(config, "srgb")
  assert config.test_data.dir == "/other"
  config.test_data.update(name="", dir="")
  settle_data(config, "srgb")
  assert config.test_data.dir == ""
