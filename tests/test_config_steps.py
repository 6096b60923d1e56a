"""Every configuration and variant builds, by shapes alone; every smoke run takes two real steps."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from experiments.run.assemble import Run
from llve_jax.losses.temporal import ACROSS_FRAMES
from llve_jax.train.objective import Objective
from llve_jax.train.state import State, parameter_count
from tests.configurations import CONFIGS, config_of, every_variant

pytestmark = pytest.mark.usefixtures("standard_promotion")

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
