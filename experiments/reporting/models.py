"""The table of networks: size, cost and how each may be run."""

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from llve_jax import models
from llve_jax.models.contract import CHANNELS

_HEIGHT, _WIDTH = 720, 1280


@dataclasses.dataclass(frozen=True)
class NetworkRow:
  """What is said about one network at its default size.

  Attributes:
    name: in `MODELS`.
    parameters: how many.
    macs: multiply-accumulates for one 1280x720 frame of output, from XLA's count of operations.
    field: receptive field, in pixels of the input.
    time: how it sees time.
    takes: kind of input.
    tiles: whether large frames may be cut.
    title: first line of the module's docstring, which goes on with the literature.
  """

  name: str
  parameters: int
  macs: float
  field: int
  time: str
  takes: str
  tiles: bool
  title: str


def describe(name: str, arguments: Mapping[str, Any] | None = None) -> NetworkRow:
  """Builds a network abstractly and counts; nothing is computed.

  Args:
    name: in `MODELS`.
    arguments: fields other than the defaults.
  """
  module = models.build(name, **(arguments or {}))
  traits: Any = module.traits
  packing = traits.packing
  frames = traits.least_frames
  shape = (1, frames, _HEIGHT // packing, _WIDTH // packing, CHANNELS[traits.input_kind])
  clip = jax.ShapeDtypeStruct(shape, jnp.float32)
  variables = jax.eval_shape(module.init, jax.random.key(0), clip)
  parameters = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
  return NetworkRow(
    name=name,
    parameters=parameters,
    macs=_operations(module, variables, clip) / 2 / frames,
    field=traits.receptive_field,
    time=_time(traits),
    takes=traits.input_kind,
    tiles=not traits.whole_frame_only,
    title=_title(module),
  )


def table(rows: Sequence[NetworkRow]) -> str:
  """The rows as a Markdown table."""
  lines = [
    f"Per frame of {_WIDTH}x{_HEIGHT} pixels of the sensor; multiply-accumulates by XLA's count.",
    "",
    "| network | parameters | MACs | sees | time | input | tiles | what it is |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
  ]
  for row in rows:
    sees = "whole frame" if not row.tiles else f"{row.field} px"
    lines.append(
      f"| `{row.name}` | {row.parameters:,} | {row.macs / 1e9:,.1f} G | {sees} | {row.time} | "
      f"{row.takes} | {'yes' if row.tiles else 'no'} | {row.title} |"
    )
  return "\n".join(lines)


def _operations(module: nn.Module, variables: Any, clip: jax.ShapeDtypeStruct) -> float:
  apply: Any = module.apply
  lowered = jax.jit(lambda v, x: apply(v, x)["clip"]).lower(variables, clip)
  cost: Any = lowered.cost_analysis()
  return float(cost["flops"])


def _time(traits: Any) -> str:
  if traits.streaming:
    return "streams"
  return "single frames" if traits.frames == 1 else f"{traits.frames} frames"


def _title(module: nn.Module) -> str:
  document = inspect.getdoc(inspect.getmodule(type(module))) or ""
  return document.split("\n", 1)[0].rstrip(".")
