from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from llve_jax.plan import flops

IMAGE = jax.ShapeDtypeStruct((2, 17, 19, 8), jnp.float32)


def shaped(*shape: int) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(shape, jnp.float32)


def convolve(x: Any, kernel: Any, **options: Any) -> Any:
  options = {"window_strides": (1, 1), "padding": "SAME"} | options
  names = ("NHWC", "HWIO", "NHWC")
  return lax.conv_general_dilated(x, kernel, dimension_numbers=names, **options)


def by_xla(function: Callable[..., Any], *arguments: Any) -> float:
  analysis: Any = jax.jit(function).lower(*arguments).cost_analysis()
  return analysis["flops"]


def test_a_matrix_product() -> None:
  assert flops.count(jnp.matmul, shaped(5, 7), shaped(7, 11)) == 2 * 5 * 7 * 11


def test_a_batched_product() -> None:
  assert flops.count(jnp.matmul, shaped(3, 5, 7), shaped(3, 7, 11)) == 3 * 2 * 5 * 7 * 11


def test_a_convolution_without_padding() -> None:
  count = flops.count(
    lambda x, k: convolve(x, k, padding="VALID"), shaped(2, 10, 9, 4), shaped(3, 3, 4, 6)
  )
  assert count == 2 * (2 * 8 * 7 * 6) * (3 * 3 * 4)


def test_padding_costs_nothing() -> None:
  # Of 4 outputs, the first and the last see 2 numbers each.
  count = flops.count(convolve, shaped(1, 4, 1, 1), shaped(3, 1, 1, 1))
  assert count == 2 * (2 + 3 + 3 + 2)


def test_holes_of_a_transposed_convolution_cost_nothing() -> None:
  count = flops.count(
    lambda x, k: convolve(x, k, lhs_dilation=(2, 2), padding=((1, 2), (1, 2))),
    shaped(1, 8, 8, 1),
    shaped(4, 4, 1, 1),
  )
  assert count < 2 * 16 * 16 * 2 * 2 <= count * 1.3


OPTIONS: list[dict[str, Any]] = [
  {},
  {"window_strides": (2, 2)},
  {"lhs_dilation": (2, 2), "padding": ((1, 2), (1, 2))},
  {"rhs_dilation": (2, 3)},
  {"feature_group_count": 4},
  {"batch_group_count": 2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("gradient", [False, True])
def test_convolutions_are_counted_as_xla_does(options: dict[str, Any], gradient: bool) -> None:
  inputs = 8 // options.get("feature_group_count", 1)

  def forward(x: Any, kernel: Any) -> Any:
    return convolve(x, kernel, **options)

  def backward(x: Any, kernel: Any) -> Any:
    # Linear, so that the forward pass is dead, and XLA has nothing else to count.
    return jax.grad(lambda *both: forward(*both).sum(), argnums=(0, 1))(x, kernel)

  function = backward if gradient else forward
  kernel = shaped(3, 3, inputs, 16)
  assert flops.count(function, IMAGE, kernel) == by_xla(function, IMAGE, kernel)


ONE = 2 * 4 * 4 * 4


def test_a_scan_counts_as_often_as_it_runs() -> None:
  def function(x: Any) -> Any:
    return lax.scan(lambda y, _: (y @ x, None), x, None, length=5)[0]

  assert flops.count(function, shaped(4, 4)) == 5 * ONE


def test_the_dearest_branch_counts() -> None:
  def function(x: Any) -> Any:
    return lax.cond(x[0, 0] > 0, lambda y: y @ y, lambda y: y @ y @ y, x)

  assert flops.count(function, shaped(4, 4)) == 2 * ONE


def test_programs_inside_programs_count() -> None:
  @jax.custom_vjp
  def square(x: Any) -> Any:
    return x @ x

  square.defvjp(lambda x: (x @ x, x), lambda x, g: (g @ x.T + x.T @ g,))
  assert flops.count(jax.jit(square), shaped(4, 4)) == ONE
  # What is computed anew in the gradient counts again: forward, again, and two products back.
  grad = jax.grad(lambda x: jax.checkpoint(lambda y: jnp.sin(square(y)))(x).sum())
  assert (
    flops.count(jax.value_and_grad(lambda x: jnp.sin(square(x)).sum()), shaped(4, 4)) == 3 * ONE
  )
  assert flops.count(grad, shaped(4, 4)) == 3 * ONE


def test_what_no_result_needs_is_not_counted() -> None:
  def function(x: Any) -> Any:
    _ = x @ x @ x
    return x @ x

  assert flops.count(function, shaped(4, 4)) == ONE


def test_a_sharded_program_counts_over_all_devices() -> None:
  mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
  spec = jax.sharding.PartitionSpec
  function = jax.shard_map(
    lambda x, y: x @ y, mesh=mesh, in_specs=(spec("data"), spec()), out_specs=spec("data")
  )
  assert flops.count(function, shaped(16, 4), shaped(4, 4)) == 2 * 16 * 4 * 4


def test_what_is_traced_already_counts_the_same() -> None:
  traced = jax.jit(jnp.matmul).trace(shaped(5, 7), shaped(7, 11))
  assert flops.count_traced(traced.jaxpr) == flops.count(jnp.matmul, shaped(5, 7), shaped(7, 11))
