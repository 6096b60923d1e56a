"""One step on long clips, chunk by chunk: truncated back-propagation through time, and motion.

Williams and Peng, "An Efficient Gradient-Based Algorithm for On-Line Training of Recurrent Network
Trajectories", Neural Computation 1990: what a network remembers passes from chunk to chunk, the
gradient does not, so that memory holds the activations of one chunk however long the clip is.

Zhang et al., "Learning Temporal Consistency for Low Light Video Enhancement from Single Images",
CVPR 2021 (StableLLVE): to move a picture and to brighten it must commute. Single images will do.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from llve_jax.errors import UserError
from llve_jax.losses import Composed
from llve_jax.losses.consistency import warp_consistency
from llve_jax.losses.temporal import ACROSS_FRAMES
from llve_jax.ops.flow import random_flow, warp
from llve_jax.train.objective import Objective
from llve_jax.train.state import Batch, Scalars, State, Step, Trainable, apply_train, variables_of
from llve_jax.train.update import advance, descend

_FLOW = 2  # folded into a key that also serves something else


@flax.struct.dataclass
class _Past:
  """What a chunk takes over from the one before.

  Attributes:
    stats: batch statistics.
    carry: what the network remembers; None: nothing yet, or ever.
    moved_carry: the same of the moved clip.
    last: the last frame of the output, "clip", with its "high" and "mask"; None before the first.
  """

  stats: Any
  carry: Any = None
  moved_carry: Any = None
  last: Batch | None = None


# (params, past, chunk, key) -> loss, (past of the next chunk, scalars)
_Loss = Callable[[Any, _Past, Batch, Array], tuple[Array, tuple[_Past, Scalars]]]


def make_step(
  module: nn.Module,
  objective: Objective,
  optimizer: optax.GradientTransformation,
  *,
  truncate: int,
  consistency_weight: float = 0.0,
  max_motion: float = 4.0,
  average_decay: float = 0.999,
) -> Step:
  """Returns `step(state, batch) -> (state, scalars)`; jit it with a sharding.

  A batch holds what `steps.supervised` takes; its clips are cut in chunks of `truncate` frames. One
  update follows the mean of the chunks' gradients. A network that returns "carry" gets it back with
  the next chunk; for others chunks are parts of the clip. A clip of `truncate` frames makes this
  the step of `steps.supervised`.

  Losses that compare frames (`losses.temporal.ACROSS_FRAMES`) also see the last frame of the chunk
  before, as a constant, so that no change from frame to frame is left out.

  With a `consistency_weight` every chunk is run again, moved by one random flow for the whole clip
  and with a memory of its own, and has to come out as the moved output. No target takes part, so
  masks do not count there. Batch statistics are kept of the clip as it is.

  Scalars: those of `steps.supervised`, means over the chunks, and with a `consistency_weight`
  `loss/consistency`, unweighted.

  Args:
    module: the network.
    objective: what is minimised; what its losses carry from step to step is the mean over chunks.
    optimizer: of the network.
    truncate: frames of a chunk.
    consistency_weight: StableLLVE's is `losses.consistency.WARP_WEIGHT`.
    max_motion: how far a pixel may be moved, in pixels of the dark frames.
    average_decay: of the moving average.

  Raises:
    UserError: the network does not take such short clips, or nothing would move. When the step is
      traced: the clips are no multiple of `truncate`.
  """
  if truncate < (least := max(1, module.traits.least_frames)):
    raise UserError(f"truncate={truncate}: the network takes clips of {least} frames at least")
  if consistency_weight and not 0 < max_motion < math.inf:
    raise UserError(f"max_motion={max_motion}: expected more than 0 pixels, so that clips move")
  within, across = _divide(objective)

  def judge(
    output: dict[str, Any], chunk: Batch, past: _Past, state: State, key: Array
  ) -> tuple[Array, Scalars, Batch | None]:
    """The objective's total, its terms, and what the next chunk sees of this one."""
    shown: Batch | None = None
    if across.losses:
      beside: Batch = {name: chunk[name] for name in ("high", "mask") if name in chunk}
      shown = beside | {"clip": output["clip"]}
    if shown is None or past.last is None:
      total, scalars, memory = objective(output, chunk, state, key)
    else:
      total, scalars, memory = within(output, chunk, state, key)
      joined = jax.tree.map(lambda *clips: jnp.concatenate(clips, axis=1), past.last, shown)
      cost, terms = across(joined["clip"], joined["high"], mask=joined.get("mask"))
      total += cost.mean()
      scalars |= {f"loss/{name}": term.mean() for name, term in terms.items()}
    # The memory travels with the scalars, out of the gradient's reach.
    scalars |= {f"memory/{name}": memory[name] for name in memory}
    return total, scalars, jax.tree.map(lambda clip: clip[:, -1:], shown)

  def step(state: State, batch: Batch) -> tuple[State, Scalars]:
    key = state.step_key()
    count, _, *size, _ = batch["low"].shape
    flow_key = jax.random.fold_in(key, _FLOW)

    def loss(
      params: Any, past: _Past, chunk: Batch, key: Array
    ) -> tuple[Array, tuple[_Past, Scalars]]:
      variables = variables_of(params, past.stats)
      view = chunk.get("context")  # a few pixels of motion do not show in it
      output, stats = apply_train(module, variables, chunk["low"], key, past.carry, view)
      total, scalars, last = judge(output, chunk, past, state, key)
      moved: dict[str, Any] = {}
      if consistency_weight:
        flow, wide_flow = (
          jnp.broadcast_to(flow[:, None], (*clip.shape[:-1], 2))
          for flow, clip in zip(flows, (chunk["low"], output["clip"]), strict=True)
        )
        moved, _ = apply_train(
          module, variables, warp(chunk["low"], flow), key, past.moved_carry, view
        )
        cost = warp_consistency(moved["clip"], output["clip"], wide_flow, weight=1.0).mean()
        total += consistency_weight * cost
        scalars["loss/consistency"] = cost
      new = _Past(stats, output.get("carry"), moved.get("carry"), last)
      return total, (new, scalars | {"loss": total})

    flows: tuple[Array, ...] = ()
    if consistency_weight:
      flows = tuple(
        random_flow(flow_key, count, (size[0], size[1]), max_motion, scale=scale)
        for scale in (1, module.traits.scale)
      )
    gradient, stats, scalars = _over_chunks(loss, state.generator, _cut(batch, truncate), key)
    scalars["gradient_norm"] = optax.global_norm(gradient)
    generator = descend(state.generator, gradient, optimizer, stats, state.rate)
    memory = {name: scalars[f"memory/{name}"] for name in state.memory}
    return advance(dataclasses.replace(state, memory=memory), generator, average_decay), scalars

  return step


def _divide(objective: Objective) -> tuple[Objective, Composed]:
  """What looks at frames one by one, or in a way of its own, and what compares them in order."""
  inside, across = (
    dataclasses.replace(
      objective.direct,
      losses={k: x for k, x in objective.direct.losses.items() if (x in ACROSS_FRAMES) == compares},
    )
    for compares in (False, True)
  )
  return dataclasses.replace(objective, direct=inside), across


def _cut(batch: Batch, truncate: int) -> Batch:
  """Clips [b, t, ...] as chunks [n, b, truncate, ...]."""
  count, time = batch["low"].shape[:2]
  if time % truncate:
    raise UserError(
      f"clips of {time} frames cannot be cut in chunks of truncate={truncate}; set the data's "
      "frames to a multiple of it"
    )
  return {
    name: x.reshape(count, time // truncate, truncate, *x.shape[2:]).swapaxes(0, 1)
    for name, x in batch.items()
  }


def _over_chunks(
  loss: _Loss, network: Trainable, chunks: Batch, key: Array
) -> tuple[Any, Any, Scalars]:
  """Mean gradient, last batch statistics and mean scalars over chunks [n, b, t, ...]."""
  count = chunks["low"].shape[0]
  keys = jax.random.split(key, count) if count > 1 else key[None]
  # Every chunk is differentiated by itself: what it takes over is a constant.
  slope = jax.grad(loss, has_aux=True)

  def one(so_far: tuple[_Past, Any], part: tuple[Batch, Array]) -> tuple[Any, Scalars]:
    past, total = so_far
    gradient, (past, scalars) = slope(network.params, past, *part)
    return (past, jax.tree.map(jnp.add, total, gradient)), scalars

  # The first chunk is no turn of the loop: networks do something else where there is no past.
  first, later = (
    jax.tree.map(lambda x, at=at: x[at], (chunks, keys)) for at in (0, slice(1, None))
  )
  gradient, (past, scalars) = slope(network.params, _Past(network.batch_stats), *first)
  if count == 1:
    return gradient, past.stats, scalars
  (past, gradient), others = jax.lax.scan(one, (past, gradient), later)
  scalars = {name: (scalars[name] + others[name].sum(axis=0)) / count for name in scalars}
  return jax.tree.map(lambda x: x / count, gradient), past.stats, scalars
