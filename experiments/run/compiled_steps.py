"""The compiled steps of a run, one for each phase, on real devices or on those of a topology."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
from jax.sharding import Mesh

from experiments.run.assemble import Run
from llve_jax.errors import UserError
from llve_jax.plan import chips, flops
from llve_jax.train import mesh, placement
from llve_jax.train.state import State

# What "fsdp" splits: all that is as large as the parameters.
_LARGE = r"(^|\.)(params|optimizer|average)(\.|$)"


def rules_of(run: Run) -> tuple[placement.Rule, ...]:
  """The placement rules that a configuration asks for."""
  settings = run.config.mesh
  known = (placement.REPLICATED, placement.FSDP)
  if settings.parameters not in known:
    raise UserError(f"mesh.parameters is {settings.parameters!r}; expected {' or '.join(known)}")
  rules = settings.rules
  if not all(len(rule) == 2 and isinstance(rule[0], str) for rule in rules):
    raise UserError(
      f"mesh.rules is {rules!r}; expected pairs of a regular expression and a placement"
    )
  return (*((pattern, target) for pattern, target in rules), (_LARGE, settings.parameters))


def peak_flops(device_mesh: Mesh) -> float | None:
  """Operations per second of one device, in bfloat16; None where nobody knows."""
  return chips.peak_flops(device_mesh.devices.flat[0].device_kind)


class Programs:
  """Step number -> the compiled step of its phase, compiled when its first step comes."""

  def __init__(
    self,
    run: Run,
    device_mesh: Mesh,
    batch: Mapping[str, jax.ShapeDtypeStruct],
    height: int,
    compiling: Callable[[Callable[[], Any]], Any] = lambda build: build(),
  ):
    """Knows all shapes; compiles nothing yet.

    Args:
      run: the configuration.
      device_mesh: where it runs.
      batch: shapes of a global batch, with its sharding.
      height: true rows of "low", see `mesh.on_true_rows`.
      compiling: calls what it is given and returns the result; may measure or interrupt it.
    """
    self._run, self._mesh, self._batch = run, device_mesh, dict(batch)
    self._height, self._compiling = height, compiling
    fresh = jax.eval_shape(run.init)
    self.placement: State = dataclasses.replace(
      placement.of_state(device_mesh, fresh, rules_of(run)), frozen=mesh.replicated(device_mesh)
    )
    whole = mesh.replicated(device_mesh)
    frozen = jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=whole), run.frozen
    )
    placed = jax.tree.map(
      lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
      fresh,
      dataclasses.replace(self.placement, frozen=fresh.frozen),
    )
    self.state: State = dataclasses.replace(placed, frozen=frozen)
    self._compiled: dict[int, Callable[..., Any]] = {}
    self._flops: dict[int, float] = {}
    self._ends = [round(phase.until * run.steps) for phase in run.phases]

  @property
  def last_phase(self) -> int:
    """The steps before the last phase, as many as the one that it begins behind."""
    return [0, *self._ends][-2]

  def phase(self, step: int) -> int:
    """The phase of a step, both counted from 0."""
    return next(index for index, end in enumerate(self._ends) if step < end)

  def step_function(self, phase: int) -> Callable[..., Any]:
    """The step of a phase as it is compiled, on frames that may have been filled up."""
    padded = self._batch["low"].shape[2]
    return mesh.on_true_rows(self._run.step_functions[phase], self._height, padded)

  def trace(self, phase: int) -> jax.stages.Traced:
    """The step of a phase with its shapes, to be lowered and compiled."""
    program = mesh.compile_step(self.step_function(phase), self._mesh, self.placement)
    return program.trace(self.state, self._batch)

  def __call__(self, step: int) -> Callable[..., Any]:
    """The compiled step."""
    phase = self.phase(step)
    if phase not in self._compiled:
      self._compiled[phase], self._flops[phase] = self._compiling(lambda: self._build(phase))
    return self._compiled[phase]

  def _build(self, phase: int) -> tuple[Callable[..., Any], float]:
    traced = self.trace(phase)
    return traced.lower().compile(), flops.count_traced(traced.jaxpr)

  def flops(self, step: int) -> float:
    """Operations of a step that has been compiled, over all devices; see `plan.flops`."""
    return self._flops[self.phase(step)]
