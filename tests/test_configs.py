"""What every configuration and variant says of itself, what it reads, and what is refused."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from ml_collections import ConfigDict

from experiments.configs import turntable_gan
from experiments.run import attempt
from experiments.run.assemble import Run, settle_data
from experiments.run.compiled_steps import Programs
from llve_jax.errors import UserError
from llve_jax.train import mesh
from llve_jax.train.state import parameter_count
from tests.configurations import CONFIGS, config_of, every_variant, module_of

pytestmark = pytest.mark.usefixtures("standard_promotion")


@pytest.mark.parametrize("name", CONFIGS)
def test_every_configuration_has_the_sizes_and_says_how_to_run_it(name: str) -> None:
  module = module_of(name)
  assert {"smoke", "quick", "pod"} <= module.VARIANTS.keys()
  lines = module.__doc__.splitlines()
  assert any(f"--config=experiments/configs/{name}.py" in line for line in lines)
  listed = " ".join(lines[next(i for i, line in enumerate(lines) if "Variants" in line) :]).split()
  assert "dark_clips" not in config_of(name, "").data.name  # only if asked for
  assert config_of(name, "smoke").data.name == "dark_clips"
  for variant in module.VARIANTS:
    assert variant in listed, f"{name}: the docstring does not list {variant}"
  pod = config_of(name, "pod")
  assert (pod.model.dtype, pod.data.batch) == ("bfloat16", 256)


def test_published_numbers_of_system_a() -> None:
  """Report: 30 + 20 epochs of about 818 crops, learning rates 2e-4 .. 1.25e-5."""
  config = turntable_gan.get_config()
  assert config.train.steps == 50 * 204
  assert config.phases.gan.until == 30 / 50
  state = jax.eval_shape(Run(config).init)
  assert parameter_count(state.critics["critic"].params) == 1_570_081


def test_variants_change_what_they_say() -> None:
  get = turntable_gan.get_config
  plain = get("plain,no_critic,no_finetune")
  assert (plain.model.kwargs.resnext, plain.model.kwargs.bilinear) == (False, False)
  assert (plain.step.name, len(plain.critics)) == ("supervised", 0)
  assert list(plain.phases) == ["gan"]
  assert plain.train.steps == 30 * 204
  assert get("finetune").phases.finetune.loss.cobi_vgg16 == 0.0
  assert get("cobi").phases.finetune.loss.cobi_vgg16 == 1.0
  assert get("wgan").step.options.kind == "wgan"
  assert get("plain,smoke") == get("smoke,plain")


def test_pod_keeps_the_number_of_clips_seen() -> None:
  whole, pod = turntable_gan.get_config(), turntable_gan.get_config("pod")
  seen = [config.train.steps * config.data.batch for config in (whole, pod)]
  assert abs(seen[0] - seen[1]) < 256
  assert pod.optimizer.rate == pytest.approx(8 * whole.optimizer.rate)  # root of 256 / 4


@pytest.mark.parametrize("name", CONFIGS)
def test_pod_runs_are_saved_and_scored_on_the_way_and_forget_their_start(name: str) -> None:
  settings = config_of(name, "pod")
  steps = settings.train.steps
  assert steps // settings.eval.every >= 10
  assert steps // settings.train.save_every >= 20
  assert settings.train.average_decay**steps < 1e-6


def test_unknown_variant_lists_the_known() -> None:
  with pytest.raises(ValueError, match="no variant nope; known: published, plain, resnext"):
    turntable_gan.get_config("smoke,nope")


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"phases.finetune.until": 0.9}, r"ends at 0\.9"),
    ({"step.name": "gan"}, "'gan'; known: supervised, paired_gan"),
    ({"step.options": {"updates": 3}}, "no option updates; known: .*critic_updates"),
    ({"critics": {}}, "takes the critics critic, found none"),
    ({"train.steps": 0}, "expected at least 1"),
    ({"step.options": {"kind": "gan"}}, "'gan'; known: bce"),
    ({"step.options": {"frames": "some"}}, "'some'; expected all or one"),
    (
      {"step": {"name": "temporal", "options": {}}, "critics": {}},
      r"needs step\.options\.truncate",
    ),
    ({"optimizer.schedule": {"name": "drops"}}, r"needs schedule\.at"),
    ({"train.accumulate": 2}, "does not accumulate"),
    ({"phases.gan.loss": {"l3": 1.0}}, "l3; known: brightness_flicker"),
    ({"optimizer.schedule": {"name": "steps"}}, "'steps'; known: constant"),
  ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], message: str) -> None:
  config = turntable_gan.get_config("smoke")
  for key, value in change.items():
    *path, last = key.split(".")
    at = config
    for part in path:
      at = at[part]
    with at.unlocked():
      at[last] = ConfigDict(value) if isinstance(value, dict) else value
  with pytest.raises(UserError, match=message):
    Run(config)


def test_the_siamese_step_asks_for_two_frames() -> None:
  config = config_of("smid", "smoke")
  config.data.frames = 1
  with pytest.raises(UserError, match=r"data\.frames=2, found 1"):
    Run(config)


def test_phases_follow_each_other() -> None:
  """And each is compiled once, when its first step comes."""
  run = Run(turntable_gan.get_config("smoke"))
  compiled = iter([("a", 1.0), ("b", 2.0)])
  shapes = {"low": jax.ShapeDtypeStruct((4, 1, 32, 32, 3), jnp.float32)}
  one = mesh.make_mesh(jax.devices()[:1])
  step_at = Programs(run, one, shapes, 32, lambda function: next(compiled))
  assert [step_at(step) for step in (0, 5, 6, 9, 0)] == ["a", "a", "b", "b", "a"]
  assert (step_at.flops(5), step_at.flops(6)) == (1.0, 2.0)
  assert step_at.last_phase == 6


@pytest.mark.parametrize("name", CONFIGS)
def test_asking_for_dark_clips_is_enough(name: str) -> None:
  """`--config.data.name=dark_clips` alone: configuration and splits are those it has."""
  config = config_of(name, "")
  config.data.name = "dark_clips"
  kind = Run(config).traits.input_kind
  settle_data(config, kind)
  raw = {"srgb": "holdout_carphone"}.get(kind, "raw")
  assert config.data.config == ("raw_static" if name == "smid" else raw)
  assert (config.data.train, config.data.validation) == ("train", "validation")
  assert config.data.partner in ("", "train")
  assert config.test_data.name == ("dark_clips" if name == "smid" else "")
  assert not config.test_data.name or config.test_data.config == raw


@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize(("name", "variant"), every_variant())
def test_nothing_chooses_weights_by_the_test_split(
  name: str, variant: str, embedded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
  """What a run opens: as it is, and where only the name of another data set is given."""
  config = config_of(name, variant)
  if embedded:
    config.data.name = "dark_clips"
  run = Run(config)
  settle_data(config, run.traits.input_kind)
  opened: list[tuple[str, str]] = []

  def open_split(settings: Any, split: str) -> str:
    opened.append((settings["name"], split))
    return split

  monkeypatch.setattr(attempt, "open_split", open_split)
  monkeypatch.setattr(attempt.clips, "check_scorable", lambda source, kind: None)
  attempt.open_scorer(run)
  assert [split for _, split in opened] == ["validation"]
  assert opened[0][0] not in ("", "unpaired_images")
  for split in (config.data.train, config.data.partner):
    assert split.startswith("train") or not split


def test_what_was_asked_for_beside_the_name_is_kept() -> None:
  config = config_of("sid", "")
  config.data.update(name="dark_clips", config="mine", validation="other")
  settle_data(config, "bayer")
  assert (config.data.config, config.data.validation) == ("mine", "other")
  config = config_of("sid", "")
  settle_data(config, "bayer")
  assert (config.data.name, config.data.config) == ("sid", "sony")
  config = config_of("sid", "")
  config.data.name, config.test_data.name = "dark_clips", "paired_images"
  settle_data(config, "bayer")
  assert config.test_data.name == "paired_images"


def test_two_sizes_and_variants_that_exclude_each_other_are_refused() -> None:
  with pytest.raises(ValueError, match="smoke and pod are sizes; choose one"):
    turntable_gan.get_config("smoke,pod")
  with pytest.raises(ValueError, match="exclude each other"):
    turntable_gan.get_config("no_finetune,finetune")


def test_a_network_trained_on_still_scenes_is_scored_on_moving_ones() -> None:
  config = config_of("smid", "smoke,srgb")
  config.data.dir = "/sets"
  settle_data(config, "srgb")
  assert (config.data.config, config.test_data.config) == ("static", "holdout_carphone")
  assert config.test_data.dir == "/sets"
