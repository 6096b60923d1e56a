"""Every configuration and variant builds, by shapes alone; every smoke run takes two real steps."""

import dataclasses
import importlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from experiments import train
from experiments.configs import turntable_gan
from experiments.run import attempt
from experiments.run.assemble import Run, settle_data
from experiments.run.compiled_steps import Programs
from llve_jax.errors import UserError
from llve_jax.losses.temporal import ACROSS_FRAMES
from llve_jax.train import mesh
from llve_jax.train.objective import Objective
from llve_jax.train.state import State, parameter_count

pytestmark = pytest.mark.usefixtures("standard_promotion")

CONFIGS = sorted(
  path.stem
  for path in (Path(train.__file__).parent / "configs").glob("*.py")
  if path.stem not in ("base", "__init__")
)
# Published or of the paper's layer list, see the tests of each network.
PARAMETERS = {
  "turntable_gan": 4_397_059,
  "unet3d": 5_430_412,
  "unpool_gan": 1_920_195,
  "enlighten_gan": 8_636_675,
  "sid": 7_760_268,
  "mbllen": 450_171,
  "zero_dce": 79_416,
}
# Parameters that no loss can move.
UNREACHED = {
  "sci": {  # a bias before batch norm cancels out; as published
    "generator/calibration/block_0/bias",
    "generator/calibration/block_1/bias",
    "generator/calibration/entry/bias",
    "generator/illumination/block/bias",
  },
  # A Wasserstein critic's last bias adds the same to real and fake, and only differences count.
  "turntable_gan": {"critic/Conv_2/bias"},
  "deblurgan": {"critic/score/bias"},
}


def module_of(name: str) -> Any:
  return importlib.import_module(f"experiments.configs.{name}")


def config_of(name: str, variants: str) -> ConfigDict:
  config = module_of(name).get_config(variants)
  config.vgg19.fallback = True  # its weights do not ship
  return config


def every_variant() -> list[tuple[str, str]]:
  return [(name, variant) for name in CONFIGS for variant in ("", *module_of(name).VARIANTS)]


def batch_shapes(run: Run) -> dict[str, jax.ShapeDtypeStruct]:
  """A batch of two as the pipeline gives it."""
  _, _, height, width, channels = run.input_shape
  frames, scale = run.config.data.frames, run.traits.scale
  return {
    "low": jax.ShapeDtypeStruct((2, frames, height, width, channels), jnp.float32),
    "high": jax.ShapeDtypeStruct((2, frames, scale * height, scale * width, 3), jnp.float32),
  }


def networks_of(config: ConfigDict) -> dict[str, Any]:
  """What of a configuration its first state depends on."""
  optimizer = config.optimizer
  return {
    "model": [config.model.name, config.model.dtype, config.model.kwargs],
    "critics": {name: [each.name, each.kwargs] for name, each in config.critics.items()},
    "optimizer": [optimizer.coupled_decay, optimizer.clip_norm > 0],
  }


def program_of(run: Run, objective: Objective, loss: ConfigDict) -> str:
  """What the program of a phase's step depends on: no rates, no weights of losses.

  Every network runs forward at its own size (`state_shapes`), and every loss of output and target
  at the size of the clips (`judge`). What a step makes of the two is of one form whatever their
  sizes, unless it or a loss cuts clips or looks into the network.
  """
  config = run.config
  sizes = {key: config.data[key] for key in ("frames", "crop", "crop_width")}
  if objective.outputs:
    parts = {**networks_of(config), "step": config.step}
    parts |= {"loss": [key for key in loss if loss[key]], "shape": sizes}
    return ConfigDict(parts).to_json_best_effort(sort_keys=True)
  networks = {"generator": run.generator, **run.critics}
  parts = {
    "networks": {name: [type(each).__name__, form_of(each)] for name, each in networks.items()},
    "optimizer": networks_of(config)["optimizer"],
    "step": [config.step.name, {key: x for key, x in config.step.options.items() if is_form(x)}],
    "losses": [bool(objective.direct.losses), sorted(objective.carried)],
    "video": sizes["frames"] > 1,
  }
  if config.step.name == "temporal":
    losses = objective.direct.losses
    across = sorted(key for key in losses if losses[key] in ACROSS_FRAMES)
    parts["chunks"] = [sizes["frames"], config.step.options.truncate, across]
  if config.step.name == "unpaired_gan":
    parts["patches"] = [sizes, config.step.options.patch_size]
  return repr(parts)


def is_form(value: Any) -> bool:
  """No number and no list of numbers."""
  return isinstance(value, bool | str)


def form_of(network: Any) -> dict[str, Any]:
  """What a network is built of, whatever its widths and depths."""
  values = {field.name: getattr(network, field.name) for field in dataclasses.fields(network)}
  form = {key: value for key, value in values.items() if is_form(value) and key != "name"}
  return form | {"dtype": str(jnp.dtype(values.get("dtype", jnp.float32)))}


TRACED: set[str] = set()
JUDGED: set[tuple[Any, ...]] = set()
STATES: dict[str, State] = {}


def state_shapes(run: Run) -> State:
  """Of the first state, for which every network runs forward; once for equal ones of equal size."""
  memory = [sorted(objective.memory) for objective in run.objectives]
  parts = {**networks_of(run.config), "memory": memory, "shape": run.input_shape}
  key = ConfigDict(parts).to_json_best_effort(sort_keys=True)
  if key not in STATES:
    STATES[key] = jax.eval_shape(run.init)
  return dataclasses.replace(STATES[key], frozen=run.frozen)


def judge(run: Run, objective: Objective, state: State) -> None:
  """Traces the gradient of what compares output and target, at the size of the run's clips."""
  _, frames, height, width, _ = run.input_shape
  scale = run.traits.scale
  clip = jax.ShapeDtypeStruct((2, frames, scale * height, scale * width, 3), jnp.float32)
  names = (*sorted(objective.direct.losses), *sorted(objective.carried))
  if (key := (names, clip.shape)) in JUDGED:
    return
  JUDGED.add(key)

  def total(output: jax.Array, target: jax.Array, state: State) -> jax.Array:
    return objective({"clip": output}, {"high": target}, state, jax.random.key(0))[0]

  slope = jax.eval_shape(jax.grad(total), clip, clip, state)
  assert (slope.shape, slope.dtype) == (clip.shape, clip.dtype)


def assert_is_a_step(before: State, after: State, scalars: dict[str, Any]) -> None:
  assert jax.tree.structure(after) == jax.tree.structure(before)
  assert {"loss", "gradient_norm"} <= scalars.keys()


@pytest.mark.parametrize(
  ("name", "variant"), [each for each in every_variant() if each[1] != "smoke"]
)
def test_every_variant_builds_and_every_phase_traces(name: str, variant: str) -> None:
  """But for smoke runs, which take real steps below."""
  run = Run(config_of(name, variant))
  state = state_shapes(run)
  for phase, objective, step in zip(run.phases, run.objectives, run.step_functions, strict=True):
    if (program := program_of(run, objective, phase.loss)) in TRACED:
      # Another one differs in its data, its length, its widths, or in what `judge` sees.
      if not objective.outputs and (objective.direct.losses or objective.carried):
        judge(run, objective, state)
      continue
    TRACED.add(program)
    assert_is_a_step(state, *jax.eval_shape(step, state, batch_shapes(run)))
  if not variant and name in PARAMETERS:
    assert parameter_count(state.generator.params) == PARAMETERS[name]


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


def smoke_steps(run: Run, state: State, steps: int = 2) -> tuple[State, list[dict[str, Any]]]:
  """Real steps on random clips, each phase in turn."""
  rng = np.random.default_rng(0)
  batch = {name: rng.random(part.shape, np.float32) for name, part in batch_shapes(run).items()}
  state = dataclasses.replace(state, frozen=run.frozen)
  found = []
  for function in run.step_functions:
    step = jax.jit(function)
    for _ in range(steps):
      before = state
      state, scalars = step(before, batch)
      assert_is_a_step(before, state, scalars)
      found.append(jax.device_get(scalars))
  return state, found


@pytest.mark.parametrize("name", CONFIGS)
def test_a_smoke_run_is_finite_and_every_gradient_reaches_every_parameter(name: str) -> None:
  """Adam moves a parameter by its rate however small the gradient, and not at all without one."""
  config = config_of(name, "smoke")
  for learner in (config.optimizer, *config.critics.values()):
    learner.weight_decay = 0.0
  run = Run(config)
  before = jax.jit(run.init)()
  assert parameter_count(before.generator.params) > 0
  after, found = smoke_steps(run, before)
  for scalars in found:
    assert all(np.all(np.isfinite(value)) for value in scalars.values()), scalars
  networks = [{"generator": state.generator, **state.critics} for state in (before, after)]
  still = unmoved(*({key: part.params for key, part in each.items()} for each in networks))
  # Rounding may move what a gradient cannot.
  assert still <= UNREACHED.get(name, set()), still


def unmoved(before: Any, after: Any) -> set[str]:
  """Paths of the arrays in which no number has changed."""
  pairs = zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True)
  return {
    jax.tree_util.keystr(path, simple=True, separator="/")
    for (path, old), new in pairs
    if np.array_equal(old, new)
  }


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


def test_a_critic_has_a_rate_of_its_own() -> None:
  config = config_of("unpool_gan", "smoke")
  config.critics.critic.rate = 0.0
  run = Run(config)
  before = jax.jit(run.init)()
  after, _ = smoke_steps(run, before, steps=1)
  jax.tree.map(
    np.testing.assert_array_equal, before.critics["critic"].params, after.critics["critic"].params
  )
  assert not unmoved(before.generator.params, after.generator.params)


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
