"""The convolution with gradients of its own, against JAX's, on a CPU and as lowered for others."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from llve_jax.ops.convolution import convolve

NUMBERS = {1: ("NHC", "HIO", "NHC"), 2: ("NHWC", "HWIO", "NHWC"), 3: ("NDHWC", "DHWIO", "NDHWC")}
# Images, kernel, and how the one moves over the other.
CASES: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
  "same": ((2, 7, 6, 3), (3, 3, 3, 4), {}),
  "one tap": ((2, 7, 6, 3), (1, 1, 3, 4), {}),
  "valid, lopsided kernel": ((1, 7, 9, 2), (2, 5, 2, 3), {"padding": "VALID"}),
  "stride": ((2, 8, 7, 3), (3, 3, 3, 4), {"window_strides": (2, 2)}),
  "stride that leaves pixels": (
    (2, 9, 8, 3),
    (2, 2, 3, 4),
    {"window_strides": (3, 3), "padding": "VALID"},
  ),
  "stride beyond the kernel": ((2, 9, 8, 3), (1, 1, 3, 4), {"window_strides": (2, 3)}),
  "four taps": ((2, 8, 6, 3), (4, 4, 3, 2), {"window_strides": (2, 2), "padding": ((2, 2),) * 2}),
  "much padding": ((1, 4, 5, 2), (2, 2, 2, 3), {"padding": ((3, 0), (2, 4))}),
  "less than none": ((1, 8, 9, 2), (3, 3, 2, 3), {"padding": ((-1, 0), (1, -2))}),
  "spread taps": ((1, 9, 8, 2), (3, 3, 2, 3), {"rhs_dilation": (2, 3)}),
  "holes": (
    (1, 5, 4, 2),
    (3, 3, 2, 3),
    {"lhs_dilation": (2, 3), "window_strides": (1, 2), "padding": ((0, 0), (0, 0))},
  ),
  "wide map": ((2, 32, 5, 12), (3, 3, 12, 20), {}),
  "wide map, lopsided kernel": ((1, 33, 4, 20), (2, 3, 20, 12), {"padding": ((1, 0), (0, 0))}),
  "kernel larger than the picture": ((2, 2, 3, 4), (3, 5, 4, 3), {}),
  "kernel larger, stride": ((2, 2, 2, 3), (3, 3, 3, 4), {"window_strides": (2, 2)}),
  "kernel larger, less padding than none": (
    (1, 6, 2, 2),
    (3, 3, 2, 3),
    {"padding": ((-1, 2), (1, 1))},
  ),
  "kernel larger, holes": (
    (1, 2, 2, 2),
    (3, 3, 2, 3),
    {"lhs_dilation": (2, 3), "padding": ((1, 2), (1, 1))},
  ),
  "few channels come out": ((2, 7, 5, 8), (3, 2, 8, 3), {}),
  "few channels come out, spread taps": (
    (1, 9, 8, 6),
    (3, 3, 6, 2),
    {"rhs_dilation": (2, 1), "padding": ((5, 0), (-1, 3))},
  ),
  "few channels come out, in time": ((2, 9, 4), (3, 4, 1), {"padding": "VALID"}),
  "few pixels, many channels": ((2, 3, 2, 256), (3, 3, 256, 256), {}),
  "few pixels, stride, spread taps": (
    (1, 7, 6, 130),
    (3, 2, 130, 520),
    {"window_strides": (2, 1), "rhs_dilation": (1, 2), "padding": ((1, 0), (0, 3))},
  ),
  "few pixels in space and time": ((1, 2, 3, 2, 256), (2, 1, 3, 256, 256), {}),
  "longer in time than the clip": ((1, 2, 5, 6, 2), (3, 3, 3, 2, 3), {}),
  "in time": ((2, 9, 3), (3, 3, 4), {"window_strides": (2,)}),
  "in space and time": ((1, 4, 5, 6, 2), (3, 3, 3, 2, 3), {"window_strides": (1, 2, 1)}),
  "groups": ((2, 6, 5, 4), (3, 3, 2, 4), {"feature_group_count": 2}),
  "groups, strides": (
    (2, 7, 6, 6),
    (3, 2, 2, 9),
    {"feature_group_count": 3, "window_strides": (2, 1), "padding": ((1, 0), (2, 1))},
  ),
  "every channel a group": ((1, 6, 5, 4), (3, 3, 1, 8), {"feature_group_count": 4}),
  "groups in time": ((2, 9, 4), (3, 2, 4), {"feature_group_count": 2, "rhs_dilation": (2,)}),
  "precision": ((2, 6, 5, 4), (3, 3, 4, 4), {"precision": lax.Precision.HIGHEST}),
}


def drawn(*shape: int, seed: int = 0, dtype: Any = jnp.float32) -> jax.Array:
  return jax.random.normal(jax.random.key(seed), shape).astype(dtype)


def prepared(name: str, dtype: Any = jnp.float32) -> tuple[jax.Array, jax.Array, Any, Any]:
  """Images, kernel, ours and that of JAX."""
  images, kernel, options = CASES[name]
  space = len(images) - 2
  options = {"window_strides": (1,) * space, "padding": "SAME"} | options
  ours = functools.partial(convolve, **options)

  def reference(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Pads first, since gradients of JAX's padding may read beyond the images on a CPU."""
    valid = dict(options)
    if not isinstance(options["padding"], str) and "lhs_dilation" not in options:
      spans = [(0, 0, 0), *((low, high, 0) for low, high in options["padding"]), (0, 0, 0)]
      images, valid["padding"] = lax.pad(images, jnp.zeros((), dtype), spans), "VALID"
    return lax.conv_general_dilated(images, kernel, **valid, dimension_numbers=NUMBERS[space])

  scale = np.prod(kernel[:-1]) ** -0.5
  kernel = (drawn(*kernel, seed=1) * np.float32(scale)).astype(dtype)
  return drawn(*images, dtype=dtype), kernel, ours, reference


def assert_near(found: Any, expected: Any, tolerance: float = 1e-5) -> None:
  for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
    assert one.dtype == other.dtype
    one, other = np.asarray(one, np.float32), np.asarray(other, np.float32)
    np.testing.assert_allclose(one, other, atol=tolerance * max(1.0, np.abs(other).max()), rtol=0)


def curved(function: Any) -> Any:
  """A number whose gradients of any order say something."""
  return lambda images, kernel: jnp.sum(jnp.sin(function(images, kernel)).astype(jnp.float32))


def slopes(function: Any) -> Any:
  return jax.jit(jax.value_and_grad(curved(function), (0, 1)))


def second_slopes(function: Any) -> Any:
  """The gradient of a penalty on a gradient, as critics are trained with."""

  def penalty(images: Any, kernel: Any) -> Any:
    return sum(jnp.sum(jnp.square(s)) for s in jax.grad(curved(function), (0, 1))(images, kernel))

  return jax.jit(jax.grad(penalty, (0, 1)))


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_of_both_orders_are_those_of_jax(name: str) -> None:
  images, kernel, ours, reference = prepared(name)
  assert_near(ours(images, kernel), reference(images, kernel))
  for derived in (slopes, second_slopes):
    assert_near(derived(ours)(images, kernel), derived(reference)(images, kernel))


@pytest.mark.parametrize(
  "name", ["one tap", "few pixels, stride, spread taps", "few channels come out"]
)
def test_values_have_the_same_bits_with_gradients_and_without(name: str) -> None:
  images, kernel, ours, _ = prepared(name)
  alone = jax.jit(ours)(images, kernel)
  beside_gradients = jax.jit(lambda *given: jax.vjp(ours, *given)[0])(images, kernel)
  np.testing.assert_array_equal(beside_gradients, alone)


@pytest.mark.parametrize("name", ["same", "stride", "in space and time", "groups, strides"])
def test_bfloat16(name: str) -> None:
  images, kernel, ours, reference = prepared(name, jnp.bfloat16)
  assert_near(slopes(ours)(images, kernel), slopes(reference)(images, kernel), 0.02)


def test_outside_of_jit() -> None:
  images, kernel, ours, reference = prepared("stride")
  found, expected = (jax.grad(curved(f), (0, 1))(images, kernel) for f in (ours, reference))
  assert_near(found, expected)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)], ids=str)
def test_vmap_over_images_and_kernels(axes: Any) -> None:
  images, kernel, ours, reference = prepared("stride")
  images, kernel = (
    x if axis is None else jnp.stack([x, 2 * x, x[::-1]])
    for x, axis in zip((images, kernel), axes, strict=True)
  )
  found, expected = (
    jax.vmap(jax.grad(curved(f), (0, 1)), axes)(images, kernel) for f in (ours, reference)
  )
  assert_near(found, expected)


def test_loops_recomputed_and_not() -> None:
  images, kernel, ours, reference = prepared("same")
  kernel = jnp.concatenate([kernel[..., :3]], -1)

  def looped(function: Any, remat: bool) -> Any:
    def turn(images: Any, _: Any) -> Any:
      images = jnp.tanh(function(images, kernel))
      return images, images.sum()

    step = jax.checkpoint(turn) if remat else turn
    return jax.grad(lambda images: lax.scan(step, images, None, length=3)[1].sum())(images)

  for remat in (False, True):
    assert_near(looped(ours, remat), looped(reference, remat))


@pytest.mark.parametrize("spec", [(None, "x"), ("x",)], ids=["rows", "batch"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [4, 20])
def test_frames_split_over_devices(spec: Any, stride: int, channels: int) -> None:
  mesh = Mesh(np.array(jax.devices()), ("x",))
  images, kernel = drawn(8, 32, 6, 3), drawn(3, 3, 3, channels, seed=1) / 27**0.5
  step = slopes(functools.partial(convolve, window_strides=(stride,) * 2, padding="SAME"))
  split = jax.device_put(images, NamedSharding(mesh, PartitionSpec(*spec)))
  whole = jax.device_put(kernel, NamedSharding(mesh, PartitionSpec()))
  assert_near(step(split, whole), step(images, kernel))


def test_symbolic_sizes_of_values_and_gradients() -> None:
  images, kernel = drawn(2, 9, 7, 3), drawn(3, 3, 3, 4, seed=1)
  shape = export.symbolic_shape("b, h, w, 3")
  for strides in ((1, 1), (2, 2)):
    ours = jax.jit(functools.partial(convolve, window_strides=strides, padding="SAME"))
    specs = jax.ShapeDtypeStruct(shape, jnp.float32), jax.ShapeDtypeStruct((3, 3, 3, 4), "float32")
    for function in (ours, slopes(ours)) if strides == (1, 1) else (ours,):
      assert_near(export.export(function)(*specs).call(images, kernel), function(images, kernel))


def test_groups_of_symbolic_sizes() -> None:
  images, kernel = drawn(2, 9, 7, 4), drawn(3, 3, 2, 4, seed=1)
  ours = functools.partial(convolve, window_strides=(1, 1), padding="SAME", feature_group_count=2)
  shape = export.symbolic_shape("b, h, w, 4")
  specs = jax.ShapeDtypeStruct(shape, jnp.float32), jax.ShapeDtypeStruct(kernel.shape, "float32")
  for function in (jax.jit(ours), slopes(ours)):
    assert_near(export.export(function)(*specs).call(images, kernel), function(images, kernel))


def test_holes_need_numbers_for_their_padding() -> None:
  with pytest.raises(ValueError, match="String padding"):
    convolve(drawn(1, 5, 4, 2), drawn(3, 3, 2, 3), (1, 1), "SAME", lhs_dilation=(2, 2))


def test_another_order_of_axes_is_left_to_jax() -> None:
  images, kernel = drawn(2, 3, 7, 6), drawn(4, 3, 3, 3)
  function = functools.partial(
    convolve,
    window_strides=(1, 1),
    padding="SAME",
    dimension_numbers=("NCHW", "OIHW", "NCHW"),
  )
  expected = lax.conv_general_dilated(images, kernel, (1, 1), "SAME")
  np.testing.assert_array_equal(function(images, kernel), expected)
  assert "custom_vjp" not in str(jax.make_jaxpr(function)(images, kernel))


@pytest.mark.parametrize(
  "options", [{}, {"strides": 2, "padding": 1}, {"padding": "CIRCULAR"}, {"kernel_dilation": 2}]
)
def test_flax_takes_it(options: Any) -> None:
  images = drawn(2, 9, 8, 3)
  ours = nn.Conv(4, (3, 3), conv_general_dilated=convolve, **options)
  flax = nn.Conv(4, (3, 3), **options)
  variables = ours.init(jax.random.key(0), images)
  assert "custom_vjp" in str(jax.make_jaxpr(ours.apply)(variables, images))
  np.testing.assert_array_equal(ours.apply(variables, images), flax.apply(variables, images))
