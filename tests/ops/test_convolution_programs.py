"""What a convolution is compiled to, and how its gradients are: on a CPU, and for other devices."""

import functools
import platform
import re
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import export

from llve_jax.ops.convolution import convolve
from tests.ops.test_convolution import curved, drawn, prepared, slopes


def programs(name: str, function: Any, platform: str) -> str:
  """What is compiled for a platform: the function, its gradients, and theirs."""
  images, kernel = (jax.ShapeDtypeStruct(x.shape, x.dtype) for x in prepared(name)[:2])
  return str(export.export(slopes(function), platforms=[platform])(images, kernel).mlir_module())


def convolutions(program: str) -> list[str]:
  """What the convolutions of a program are, without the names of their operands."""
  return sorted(re.findall(r"stablehlo\.convolution\(.*?\) (dim_numbers.*)", program))


@pytest.mark.parametrize(
  "name",
  [
    "stride",
    "groups",
    "wide map",
    "kernel larger than the picture",
    "few pixels, many channels",
    "few channels come out",
  ],
)
@pytest.mark.parametrize("platform", ["tpu", "cuda", "rocm"])
def test_accelerators_get_what_jax_would_give_them(platform: str, name: str) -> None:
  _, _, ours, reference = prepared(name)
  found, expected = (convolutions(programs(name, f, platform)) for f in (ours, reference))
  assert len(expected) == 3
  assert [re.sub(r"loc\(.*", "", x) for x in found] == [re.sub(r"loc\(.*", "", x) for x in expected]


@pytest.mark.parametrize("name", ["stride", "groups"])
def test_a_cpu_gets_the_form_that_its_kernels_take(name: str) -> None:
  _, _, ours, reference = prepared(name)
  form = "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"
  found = convolutions(programs(name, ours, "cpu"))
  assert len(found) == 3
  assert all(form in each for each in found)
  assert all("feature_group_count = 1 " in each for each in found)
  assert not all(form in each for each in convolutions(programs(name, reference, "cpu")))


def test_a_wide_map_in_training_goes_to_the_kernels_that_share_rows() -> None:
  """One row more than the picture has: what comes out, and the slope of the images."""
  images, kernel, ours, _ = prepared("wide map")
  found = convolutions(programs("wide map", ours, "cpu"))
  longer = [each for each in found if "pad = [[1, 2], [1, 1]]" in each]
  assert len(found) == 3
  assert len(longer) == 2
  assert all("tensor<2x33x5x" in each for each in longer)
  assert "optimization_barrier" not in programs("wide map", ours, "cpu")
  assert "33" not in str(jax.jit(ours).lower(images, kernel).as_text())  # not trained: as it is


@pytest.mark.parametrize(
  ("images", "kernel", "dtype"),
  [
    ((2, 31, 5, 12), (3, 3, 12, 20), "float32"),  # few rows
    ((2, 32, 5, 20), (3, 3, 20, 11), "float32"),  # few channels come out
    ((2, 32, 5, 16), (3, 3, 16, 16), "float32"),  # left to those kernels anyway
    ((2, 32, 5, 12), (1, 1, 12, 20), "float32"),  # one tap
    ((2, 32, 5, 12), (3, 3, 12, 20), "bfloat16"),  # not YNNPACK's
  ],
  ids=str,
)
def test_other_maps_stay_as_they_are(images: Any, kernel: Any, dtype: str) -> None:
  ours = functools.partial(convolve, window_strides=(1, 1), padding="SAME")
  shapes = (jax.ShapeDtypeStruct(shape, dtype) for shape in (images, kernel))
  forward = jax.jit(lambda x, k: jax.vjp(ours, x, k)[0]).lower(*shapes).as_text()
  rows, channels = images[1], kernel[-1]
  (found,) = convolutions(forward)
  kind = {"float32": "f32", "bfloat16": "bf16"}[dtype]
  assert f"-> tensor<2x{rows}x5x{channels}x{kind}>" in found


def test_a_kernel_larger_than_the_picture_never_meets_it_unpadded() -> None:
  """XLA would swap the two, in a form that is fifty times as slow."""
  _, _, ours, _ = prepared("kernel larger than the picture")
  program = programs("kernel larger than the picture", ours, "cpu")
  assert program.count("stablehlo.optimization_barrier") == 2
  large = [x for x in convolutions(program) if re.search(r"tensor<3x5x\d+x\d+xf32>\) ->", x)]
  assert len(large) == 2
  assert all("window = {} " in each for each in large)


@pytest.mark.parametrize(
  ("images", "kernel", "products"),
  [
    ((2, 8, 8, 256), (3, 3, 256, 256), 2),
    ((2, 8, 9, 256), (3, 3, 256, 256), 0),  # many pixels
    ((2, 16, 15, 256), (3, 3, 256, 256), 0),
    ((2, 8, 8, 256), (3, 3, 256, 255), 0),  # few channels
    ((2, 32, 5, 12), (1, 1, 12, 20), 2),  # one tap
    ((2, 32, 5, 12), (1, 2, 12, 20), 0),
  ],
  ids=str,
)
def test_gradients_with_one_tap_or_few_pixels_and_many_channels_are_products_of_matrices(
  images: Any, kernel: Any, products: int
) -> None:
  """On a CPU; what comes out stays a convolution."""
  ours = functools.partial(convolve, window_strides=(1, 1), padding="SAME")
  shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (images, kernel)]
  exported = export.export(slopes(ours), platforms=["cpu"])(*shapes)
  program = str(exported.mlir_module())
  assert program.count("stablehlo.dot_general") == products
  assert len(convolutions(program)) == 3 - products


@pytest.mark.parametrize(
  ("kernel", "stride", "products"),
  [
    ((3, 3, 32, 16), 1, 1),
    ((3, 3, 30, 16), 1, 0),  # not half as many as come in
    ((3, 3, 34, 17), 1, 0),  # many come out
    ((5, 5, 32, 16), 1, 0),  # many numbers in the patches
    ((3, 3, 32, 16), 2, 0),
  ],
  ids=str,
)
def test_the_gradient_of_a_kernel_with_few_channels_out_is_a_product_with_patches_of_the_slope(
  kernel: Any, stride: int, products: int
) -> None:
  ours = functools.partial(convolve, window_strides=(stride, stride), padding="SAME")
  shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((1, 64, 256, kernel[2]), kernel)]
  program = str(export.export(slopes(ours), platforms=["cpu"])(*shapes).mlir_module())
  assert program.count("stablehlo.dot_general") == products
  assert len(convolutions(program)) == 3 - products


def fused(function: Any, *given: jax.Array) -> tuple[int, int]:
  """How many convolutions XLA gives to YNNPACK, and how many there are."""
  program = jax.jit(function).lower(*given).compile().as_text()
  theirs = re.findall(r"ynn_fusion\S* = .* calls=(\S+?)[,\n]", program)
  where = [  # the computation of each
    part.split()[0]
    for part in re.split(r"\n\n", program)
    for _ in re.findall(r" convolution\(", part)
  ]
  return sum(name in theirs for name in where), len(where)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="which kernels XLA has was seen there")
def test_one_row_more_is_what_takes_it_to_the_other_kernels() -> None:
  """Else the row is for nothing."""
  images, kernel = drawn(1, 64, 64, 32), drawn(3, 3, 32, 32, seed=1)
  ours = functools.partial(convolve, window_strides=(1, 1), padding="SAME")
  assert fused(ours, images, kernel) == (1, 1)
  assert fused(slopes(ours), images, kernel) == (1, 3)  # the slope of the kernel stays


def test_a_gradient_that_nobody_wants_is_not_computed() -> None:
  images, kernel, ours, _ = prepared("same")
  compiled = jax.jit(jax.grad(curved(ours), 1)).lower(images, kernel).compile()
  both = jax.jit(jax.grad(curved(ours), (0, 1))).lower(images, kernel).compile()
  count = [
    re.findall(r"= \S+ (?:convolution|custom-call)\(", program.as_text())
    for program in (compiled, both)
  ]
  assert len(count[1]) - len(count[0]) == 1
