"""Counts the operations of convolutions and matrix products from what JAX traced.

A multiply-add is two. XLA's cost analysis counts loops once and what the compiler made of the
program; this counts what was written: `scan` as often as it runs, taps of a convolution only where
they meet a number (neither padding nor the holes of a dilated, that is a transposed, convolution).
Rematerialisation appears in a gradient's trace, so it counts.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.extend import core
from jax.interpreters import partial_eval


def count(function: Callable[..., Any], *arguments: Any) -> float:
  """Operations of one call, over all devices.

  Args:
    function: what `jax.make_jaxpr` can trace, jitted or not.
    *arguments: arrays, or `jax.ShapeDtypeStruct`.
  """
  return count_traced(jax.make_jaxpr(function)(*arguments))


def count_traced(program: core.ClosedJaxpr) -> float:
  """The same of what is traced already, such as `jax.stages.Traced.jaxpr`.

  Loops whose length is not written (`jax.lax.while_loop`) count once; of `jax.lax.cond` the dearest
  branch counts.
  """
  jaxpr = program.jaxpr
  # What no result depends on is traced, but never compiled.
  used, _ = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
  return _program(used)


def _program(jaxpr: core.Jaxpr) -> float:
  return sum(_equation(equation) for equation in jaxpr.eqns)


def _equation(equation: core.JaxprEqn) -> float:
  name, params = equation.primitive.name, equation.params
  if name == "dot_general":
    return _product(equation)
  if name == "conv_general_dilated":
    return _convolution(equation)
  if name == "cond":
    return max(_program(branch.jaxpr) for branch in params["branches"])
  inner = sum(_program(jaxpr) for jaxpr in _inside(params))
  if name == "scan":
    return params["length"] * inner
  return math.prod(params["mesh"].shape.values()) * inner if name == "shard_map" else inner


def _inside(params: dict[str, Any]) -> list[core.Jaxpr]:
  """The programs among the parameters of an equation."""
  found = []
  for value in params.values():
    for part in value if isinstance(value, tuple | list) else (value,):
      if isinstance(part, core.ClosedJaxpr):
        found.append(part.jaxpr)
      elif isinstance(part, core.Jaxpr):
        found.append(part)
  return found


def _shapes(equation: core.JaxprEqn) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
  """Of the arguments and of the result."""
  atoms: list[Any] = [*equation.invars, *equation.outvars]
  *arguments, out = (tuple(atom.aval.shape) for atom in atoms)
  return arguments, out


def _product(equation: core.JaxprEqn) -> float:
  (left, _), out = _shapes(equation)
  (contracted, _), _ = equation.params["dimension_numbers"]
  return 2.0 * math.prod(out) * math.prod(left[axis] for axis in contracted)


def _convolution(equation: core.JaxprEqn) -> float:
  params = equation.params
  numbers = params["dimension_numbers"]
  (left, right), out = _shapes(equation)
  taps = 1.0
  for at, (low, _) in enumerate(params["padding"]):
    taps *= _meetings(
      left[numbers.lhs_spec[2 + at]],
      right[numbers.rhs_spec[2 + at]],
      out[numbers.out_spec[2 + at]],
      params["window_strides"][at],
      low,
      params["lhs_dilation"][at],
      params["rhs_dilation"][at],
    )
  # The kernel's own input channels are those of one group.
  channels = right[numbers.rhs_spec[1]] * right[numbers.rhs_spec[0]]
  images = left[numbers.lhs_spec[0]] // params["batch_group_count"]
  return 2.0 * images * channels * taps


@functools.lru_cache(maxsize=4096)
def _meetings(
  size: int, kernel: int, out: int, stride: int, low: int, holes: int, spread: int
) -> int:
  """Pairs of an output and a tap, along one axis, that meet an input and no padding or hole."""
  places = np.arange(out)[:, None] * stride + np.arange(kernel) * spread - low
  inside = (places >= 0) & (places <= (size - 1) * holes) & (places % holes == 0)
  return int(inside.sum())
