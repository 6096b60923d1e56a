"""Every configuration and variant builds, by shapes alone, with steps that trace."""

import dataclasses
import importlib
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from experiments import train
from experiments.configs import turntable_gan
from llve_jax.errors import UserError
from llve_jax.train.state import parameter_count

pytestmark = pytest.mark.usefixtures("standard_promotion")

CONFIGS = Path(train.__file__).parent / "configs"


def variants() -> list[tuple[str, str]]:
  found = []
  for path in sorted(CONFIGS.glob("*.py")):
    module = importlib.import_module(f"experiments.configs.{path.stem}")
    found += [(path.stem, name) for name in ("", *module.VARIANTS)]
  return found


@pytest.mark.parametrize(("name", "variant"), variants())
def test_every_variant_builds_and_every_phase_traces(name: str, variant: str) -> None:
  config = importlib.import_module(f"experiments.configs.{name}").get_config(variant)
  run = train.Run(config)
  state = dataclasses.replace(jax.eval_shape(run.init), frozen=run.frozen)
  assert parameter_count(state.generator.params) > 0
  clip = jax.ShapeDtypeStruct((2, config.data.frames, 32, 32, 3), jnp.float32)
  for objective in run.objectives:
    after, scalars = jax.eval_shape(run.make_step(objective), state, {"low": clip, "high": clip})
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert "vgg16" in after.frozen
    assert "loss" in scalars


def test_published_numbers() -> None:
  """Report: 30 + 20 epochs of about 818 crops, learning rates 2e-4 .. 1.25e-5."""
  config = turntable_gan.get_config()
  run = train.Run(config)
  assert config.train.steps == 50 * 204
  assert config.phases.gan.until == 30 / 50
  state = jax.eval_shape(run.init)
  assert parameter_count(state.generator.params) == 4_397_059
  assert parameter_count(state.critic.params) == 1_570_081


def test_variants_change_what_they_say() -> None:
  get = turntable_gan.get_config
  plain = get("plain,no_critic,no_finetune")
  assert (plain.model.kwargs.resnext, plain.model.kwargs.bilinear) == (False, False)
  assert plain.critic.name == ""
  assert list(plain.phases) == ["gan"]
  assert plain.train.steps == 30 * 204
  assert get("finetune").phases.finetune.loss.cobi_vgg16 == 0.0
  assert get("cobi").phases.finetune.loss.cobi_vgg16 == 1.0
  assert get("wgan").critic.kind == "wgan"
  assert get("plain,smoke") == get("smoke,plain")


def test_unknown_variant_lists_the_known() -> None:
  with pytest.raises(ValueError, match="no variant nope; known: plain, resnext"):
    turntable_gan.get_config("smoke,nope")


def test_phases_must_reach_the_end() -> None:
  config = turntable_gan.get_config("smoke")
  config.phases.finetune.until = 0.9
  with pytest.raises(UserError, match=r"ends at 0\.9"):
    train.Run(config)


def test_phases_follow_each_other() -> None:
  config = turntable_gan.get_config("smoke")
  run = train.Run(config)
  step_at = run.step_at(train.mesh.make_mesh(jax.devices()[:1]))
  assert step_at(0) is step_at(5)
  assert step_at(6) is step_at(9)
  assert step_at(5) is not step_at(6)
