"""The step on long clips: against loops written out, and networks whose consistency is known."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.losses.temporal import frame_difference
from llve_jax.models.contract import Traits
from llve_jax.train import mesh
from llve_jax.train.objective import make_objective
from llve_jax.train.state import Learner, State
from llve_jax.train.steps import supervised, temporal
from tests.train.steps.tiny import distance, first_state

pytestmark = pytest.mark.usefixtures("standard_promotion")

RATE = 0.1
SGD = optax.sgd(RATE)
RECURRENT = models.build(
  "recurrent_unet", widths=(4, 4), blocks=(0, 1), decoder_blocks=(0,), reach=1
)
FRAMES = models.build("turntable_unet", widths=(4,), bottleneck=4, resnext=False)
BATCH = {
  "low": 0.2 * jax.random.uniform(jax.random.key(1), (2, 6, 16, 16, 3)),
  "high": jax.random.uniform(jax.random.key(2), (2, 6, 16, 16, 3)),
}


class Remember(nn.Module):
  """Adds up frames and forgets by halves; its first frame has no past. With batch statistics."""

  @property
  def traits(self) -> Traits:
    return Traits(stride=1, receptive_field=5, streaming=True)

  @nn.compact
  def __call__(self, clip: jax.Array, carry: Any = None, *, train: bool = False) -> dict[str, Any]:
    conv, head = nn.Conv(4, (3, 3)), nn.Conv(3, (3, 3))
    norm = nn.BatchNorm(use_running_average=not train)
    memory = None if carry is None else carry["memory"]
    frames = []
    for time in range(clip.shape[1]):
      seen = jnp.tanh(norm(conv(clip[:, time])))
      memory = seen if memory is None else 0.5 * memory + seen
      frames.append(head(memory))
    return {"clip": jnp.stack(frames, axis=1), "carry": {"memory": memory}}


def fresh(module: Any, optimizer: Any = SGD, channels: int = 3) -> State:
  return first_state(Learner(module, optimizer, (1, 2, 16, 16, channels)))


def run(module: Any, losses: Any, batch: Any = None, **options: Any) -> tuple[State, Any]:
  step = temporal.make_step(module, make_objective(losses), SGD, **options)
  return jax.jit(step)(fresh(module), BATCH if batch is None else batch)


def unrolled(module: Any, state: State, truncate: int, cut: bool) -> tuple[Any, Any, Any]:
  """Loss, gradient and last batch statistics of a plain loop over the chunks of `BATCH`."""

  def error(params: Any) -> Any:
    stats, carry, costs = state.generator.batch_stats, None, []
    for start in range(0, 6, truncate):
      part = slice(start, start + truncate)
      variables = {"params": params, **({"batch_stats": stats} if stats else {})}
      memory: Any = {} if carry is None else {"carry": carry}
      output, updated = module.apply(
        variables, BATCH["low"][:, part], **memory, train=True, mutable=["batch_stats"]
      )
      carry, stats = output.get("carry"), updated.get("batch_stats", {})
      if cut:
        carry, stats = jax.lax.stop_gradient((carry, stats))
      costs.append(jnp.abs(output["clip"] - BATCH["high"][:, part]).mean())
    return sum(costs) / len(costs), stats

  (total, stats), gradient = jax.jit(jax.value_and_grad(error, has_aux=True))(
    state.generator.params
  )
  return total, gradient, stats


@pytest.mark.parametrize(
  ("module", "truncate"),
  [(RECURRENT, 3), (Remember(), 2), (FRAMES, 2)],
  ids=["unet", "toy", "frames"],
)
def test_the_gradient_is_that_of_a_loop_that_stops_it_between_chunks(
  module: Any, truncate: int
) -> None:
  state = fresh(module)
  total, gradient, stats = unrolled(module, state, truncate, cut=True)
  new, scalars = run(module, {"l1": 1.0}, truncate=truncate)
  expected = jax.tree.map(
    lambda p, g: p - RATE * g, *jax.device_get((state.generator.params, gradient))
  )
  assert distance(new.generator.params, expected) < 2e-6
  assert distance(new.generator.params, state.generator.params) > 1e-3
  assert scalars.keys() == {"loss", "loss/l1", "gradient_norm"}
  np.testing.assert_allclose([scalars["loss"], scalars["loss/l1"]], total, rtol=1e-5)
  np.testing.assert_allclose(
    scalars["gradient_norm"], jax.jit(optax.global_norm)(gradient), rtol=1e-4
  )
  assert int(new.step) == 1
  if stats:
    assert distance(new.generator.batch_stats, stats) < 1e-5
    assert distance(new.generator.batch_stats, state.generator.batch_stats) > 1e-3


def test_a_loop_that_does_not_stop_it_has_another_gradient() -> None:
  """So the test above tells them apart."""
  state = fresh(Remember())
  stopped, through = (unrolled(Remember(), state, 2, cut=cut)[1] for cut in (True, False))
  assert distance(stopped, through) > 1e-4


LOSSES = {"l1": 1.0, "brightness_flicker": 0.3, "frame_difference": 0.7, "region_adaptive": 0.1}


def test_one_chunk_is_a_supervised_step() -> None:
  module = Remember()
  objective = make_objective(LOSSES)
  state = first_state(Learner(module, SGD, (1, 2, 16, 16, 3)), memory=objective.memory)
  results = [
    jax.jit(step)(state, BATCH)
    for step in (
      temporal.make_step(module, objective, SGD, truncate=6),
      supervised.make_step(module, objective, SGD),
    )
  ]
  (new, scalars), (expected, expected_scalars) = results
  assert distance(new, expected) < 1e-6
  assert scalars.keys() == expected_scalars.keys()
  for name, value in expected_scalars.items():
    np.testing.assert_allclose(scalars[name], value, rtol=1e-5)


def test_losses_across_frames_see_the_seam() -> None:
  """With chunks of one frame they would otherwise see nothing."""
  state = fresh(FRAMES)
  mask = (jax.random.uniform(jax.random.key(3), (2, 6, 16, 16, 1)) > 0.3).astype(jnp.float32)
  batch = BATCH | {"mask": mask}

  def error(params: Any) -> Any:
    variables = {"params": params, "batch_stats": state.generator.batch_stats}
    output = [  # batch statistics of one frame at a time
      FRAMES.apply(variables, BATCH["low"][:, t : t + 1], train=True, mutable=["batch_stats"])[0]
      for t in range(6)
    ]
    clips = [frame["clip"] for frame in output]
    total = jnp.zeros(())
    for t in range(1, 6):
      clip = jnp.concatenate([jax.lax.stop_gradient(clips[t - 1]), clips[t]], axis=1)
      part = slice(t - 1, t + 1)
      total += frame_difference(clip, BATCH["high"][:, part], mask=mask[:, part]).mean() / 6
    return total

  total, gradient = jax.jit(jax.value_and_grad(error))(state.generator.params)
  new, scalars = run(FRAMES, {"frame_difference": 1.0}, batch, truncate=1)
  expected = jax.tree.map(
    lambda p, g: p - RATE * g, *jax.device_get((state.generator.params, gradient))
  )
  assert distance(new.generator.params, expected) < 1e-6
  assert distance(new.generator.params, state.generator.params) > 1e-3
  np.testing.assert_allclose(scalars["loss/frame_difference"], total, rtol=1e-5)


def test_memory_is_that_of_a_chunk() -> None:
  """Temporary buffers, as the compiler counts them; the clip itself is an argument."""
  batch = {name: jnp.zeros((1, 16, 32, 32, 3)) for name in ("low", "high")}
  sizes = {}
  for truncate in (2, 16):
    step = temporal.make_step(FRAMES, make_objective({"l1": 1.0}), SGD, truncate=truncate)
    compiled = jax.jit(step).lower(fresh(FRAMES), batch).compile()
    analysis = compiled.memory_analysis()
    assert analysis is not None
    sizes[truncate] = analysis.temp_size_in_bytes
  assert sizes[2] < 0.4 * sizes[16]


@pytest.mark.parametrize("module", [Remember(), FRAMES], ids=["toy", "frames"])
def test_two_runs_are_bit_equal_and_steps_move_differently(module: Any) -> None:
  step = jax.jit(
    temporal.make_step(
      module,
      make_objective({"l1": 1.0, "frame_difference": 1.0}),
      SGD,
      truncate=3,
      consistency_weight=1.0,
    )
  )
  leaves, costs = [], []
  for _ in range(2):
    state = fresh(module)
    for _ in range(3):
      state, scalars = step(state, BATCH)
      costs.append(float(scalars["loss/consistency"]))
    leaves.append(jax.tree.leaves(state))
  assert all(np.array_equal(a, b) for a, b in zip(*leaves, strict=True))
  assert len(set(costs)) == 3


def test_eight_devices_equal_one() -> None:
  batch = {name: jnp.concatenate(4 * [clip]) for name, clip in BATCH.items()}
  step = temporal.make_step(
    Remember(), make_objective({"l1": 1.0}), SGD, truncate=2, consistency_weight=1.0
  )
  results = []
  for devices in (jax.devices()[:1], jax.devices()):
    on = mesh.make_mesh(devices)
    state = mesh.create_on(on, lambda: fresh(Remember()))
    state, scalars = mesh.compile_step(step, on)(
      state, jax.device_put(batch, mesh.batch_sharding(on))
    )
    results.append((jax.device_get(state.generator), jax.device_get(scalars)))
  assert distance(results[0][0], results[1][0]) < 1e-6
  for name, value in results[0][1].items():
    np.testing.assert_allclose(results[1][1][name], value, rtol=1e-5)


def test_what_a_mask_covers_teaches_nothing() -> None:
  mask = jnp.ones((2, 6, 16, 16, 1)).at[:, :, :8].set(0.0)
  rubbish = jnp.where(mask > 0, BATCH["high"], 100.0)
  losses = {"l1": 1.0, "frame_difference": 1.0}
  results = [
    run(Remember(), losses, {**BATCH, "high": high, "mask": mask}, truncate=2)
    for high in (BATCH["high"], rubbish)
  ]
  assert float(results[0][1]["loss"]) == float(results[1][1]["loss"])
  assert distance(results[0][0].generator, results[1][0].generator) == 0


def test_clips_that_are_no_multiple_are_refused() -> None:
  step = temporal.make_step(FRAMES, make_objective({"l1": 1.0}), SGD, truncate=4)
  with pytest.raises(UserError, match=r"6 frames.*truncate=4"):
    jax.eval_shape(step, fresh(FRAMES), BATCH)


def test_chunks_too_short_for_the_network_are_refused() -> None:
  with pytest.raises(UserError, match=r"truncate=0: .*1 frames"):
    temporal.make_step(FRAMES, make_objective({"l1": 1.0}), SGD, truncate=0)
  network = models.build("mbllven")
  with pytest.raises(UserError, match=r"truncate=12: .*13 frames"):
    temporal.make_step(network, make_objective({"l1": 1.0}), SGD, truncate=12)


@pytest.mark.parametrize("motion", [0.0, -1.0, float("nan"), float("inf")])
def test_motion_that_moves_nothing_is_refused(motion: float) -> None:
  with pytest.raises(UserError, match="max_motion"):
    temporal.make_step(
      FRAMES,
      make_objective({"l1": 1.0}),
      SGD,
      truncate=1,
      consistency_weight=1.0,
      max_motion=motion,
    )
