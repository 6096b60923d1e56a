"""Every network in MODELS keeps the promises of llve_jax.models.contract."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from llve_jax import models
from llve_jax.models.contract import Traits
from llve_jax.ops.thumbnail import thumbnail
from tests.models.tiny_networks import EVERY, TINY, USUAL, clips, middle_of, network

SIZES = (USUAL, (2, 2, 3, 2), (1, 1, 1, 1))


def test_every_network_is_tested():
  assert TINY.keys() == models.MODELS.keys()


@pytest.mark.parametrize(("name", "index"), EVERY)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_any_size_keeps_its_shape(name, index, size):
  module, variables, apply = network(name, index)
  clip = clips(module.traits, *size)
  batch, time, height, width, _ = clip.shape
  out = apply(variables, clip)
  scale = module.traits.scale
  assert out.shape == (batch, time, height * scale, width * scale, 3)
  assert out.dtype == jnp.float32
  assert np.isfinite(out).all()


@pytest.mark.parametrize(("name", "index"), EVERY)
def test_a_clip_does_not_see_another_of_its_batch(name, index):
  module, variables, apply = network(name, index)
  clip = clips(module.traits, *USUAL)
  other = clip.copy()
  other[1] = clips(module.traits, *USUAL, seed=1)[1]
  before, after = apply(variables, clip), apply(variables, other)
  np.testing.assert_array_equal(after[0], before[0])
  assert np.abs(after[1] - before[1]).max() > 1e-3


@functools.cache
def in_view(name: str, index: int) -> Callable[[Any, np.ndarray, np.ndarray], jax.Array]:
  """How to apply a network to parts of clips, given their whole frames [1, t, h, w, c]."""
  module, _, apply = network(name, index)
  if not module.traits.context:
    return lambda v, x, frame: apply(v, x)
  seen = jax.jit(lambda v, x, c: module.apply(v, x, context=c)["clip"])

  def applied(v: Any, x: np.ndarray, frame: np.ndarray) -> jax.Array:
    view = np.asarray(thumbnail(jnp.asarray(frame), module.traits.context))
    return seen(v, x, np.broadcast_to(view, (len(x), *view.shape[1:])))

  return applied


def wide(traits: Traits) -> tuple[int, int]:
  """The batch and the side of clips in whose middle no border is seen.

  There is room for a whole cell of the coarsest grid and a bit, and for a clip per place in it.
  """
  stride, margin = traits.stride, traits.receptive_field // 2
  return max(stride, 3), -(-(2 * margin + stride + 8) // stride) * stride


@pytest.mark.parametrize(("name", "index"), EVERY)
def test_the_receptive_field_is_true_and_tight(name, index):
  """A pixel that is no number makes no number of every output that can depend on it."""
  module, variables, _ = network(name, index)
  traits = module.traits
  if traits.whole_frame_only:
    pytest.skip("sees the whole frame")
  batch, side = wide(traits)
  start = side // 2 // traits.stride * traits.stride
  clip = np.full_like(clips(traits, batch, 1, side, side), 0.5)
  frame = clip[:1].copy()
  for phase in range(traits.stride):  # where the pixel lies in its cell of the coarsest grid
    clip[phase, :, start + phase, start + phase] = np.nan
  reached = np.isnan(in_view(name, index)(variables, clip, frame)).any((1, -1))
  reach = 0
  for phase, plane in enumerate(reached[: traits.stride]):
    for axis in (0, 1):
      places = np.flatnonzero(plane.any(axis)) // traits.scale
      assert places[0] > 0, "reaches the border, so the true reach is unknown"
      assert places[-1] < side - 1, "reaches the border, so the true reach is unknown"
      reach = max(reach, start + phase - places[0], places[-1] - start - phase)
  assert 2 * reach + 1 <= traits.receptive_field <= 1.5 * (2 * reach + 1)


@pytest.mark.parametrize(("name", "index"), EVERY)
def test_the_output_moves_with_the_input_in_steps_of_the_stride(name, index):
  module, variables, _ = network(name, index)
  traits = module.traits
  if traits.whole_frame_only:
    pytest.skip("sees the whole frame")
  margin, stride, scale = traits.receptive_field // 2, traits.stride, traits.scale
  batch, side = wide(traits)
  big = clips(traits, 1, 1, side + stride, side + stride)
  shifts = (0, stride, 1)
  parts = [big[0, :, shift : side + shift, shift : side + shift] for shift in shifts]
  out = np.asarray(in_view(name, index)(variables, np.stack(parts + parts[:1] * (batch - 3)), big))

  def interior(index: int) -> np.ndarray:
    # Pixels of `big` that every shift up to the stride keeps away from the border.
    first = margin + stride - shifts[index]
    inner = slice(first * scale, (side - margin - shifts[index]) * scale)
    return out[index, :, inner, inner]

  reference = interior(0)
  assert reference.size
  np.testing.assert_allclose(interior(1), reference, atol=1e-5)
  if stride > 1:
    assert np.abs(interior(2) - reference).max() > 1e-4, "a smaller stride would do"


@pytest.mark.parametrize(("name", "index"), EVERY)
def test_time_reaches_as_far_as_the_network_says(name, index):
  module, variables, apply = network(name, index)
  traits = module.traits
  middle = middle_of(traits)
  clip = clips(traits, *USUAL)
  other = clip.copy()
  other[:, middle] = 1 - other[:, middle]
  before, after = (np.asarray(apply(variables, each)) for each in (clip, other))
  moved = np.flatnonzero(np.abs(after - before).max((0, 2, 3, 4)) > 0) - middle
  if traits.streaming:
    assert moved[0] == 0
    assert moved[-1] > 0, "remembers nothing"
  else:
    assert -moved[0] <= traits.frames // 2 >= moved[-1]
    assert max(-moved[0], moved[-1]) * 1.5 >= traits.frames // 2, "says more than it sees"


@pytest.mark.parametrize(("name", "index"), EVERY)
def test_a_video_streams_through_in_parts(name, index):
  module, variables, apply = network(name, index)
  if not module.traits.streaming:
    pytest.skip("does not stream")
  clip = clips(module.traits, *USUAL)
  step = jax.jit(lambda v, x, carry: module.apply(v, x, carry=carry))
  whole = apply(variables, clip)
  parts, carry = [], None
  for part in (clip[:, :2], clip[:, 2:3], clip[:, 3:]):
    result = step(variables, part, carry)
    parts.append(result["clip"])
    carry = result["carry"]
  np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-5)


@pytest.mark.parametrize(("name", "index"), EVERY)
def test_a_single_frame_is_no_loop(name, index):
  module, variables, apply = network(name, index)
  if not module.traits.streaming:
    pytest.skip("does not stream")
  one, two = (
    apply.lower(variables, clips(module.traits, *size)).as_text() for size in SIZES[:0:-1]
  )
  assert "stablehlo.while" not in one
  assert "stablehlo.while" in two


@pytest.mark.parametrize(("name", "index"), EVERY)
def test_without_a_view_the_clip_is_the_whole_frame(name, index):
  module, variables, apply = network(name, index)
  if not module.traits.context:
    pytest.skip("takes no view of the whole frame")
  clip = clips(module.traits, *USUAL)
  view = thumbnail(jnp.asarray(clip), module.traits.context)
  seen = jax.jit(lambda v, x, c: module.apply(v, x, context=c)["clip"])
  np.testing.assert_allclose(seen(variables, clip, view), apply(variables, clip), atol=1e-5)
  assert np.abs(seen(variables, clip, 0.5 * view) - apply(variables, clip)).max() > 1e-3


@pytest.mark.parametrize(("name", "index"), EVERY)
def test_what_does_not_fit_is_refused(name, index):
  module, _, _ = network(name, index)
  traits = module.traits
  good = clips(traits, 1, 1, 8, 8)
  bad = [np.concatenate([good] * 2, axis=-1), good[0]]
  if traits.least_frames > 1:
    bad.append(good[:, 1:][:, : traits.least_frames - 1])
  if traits.least_side > 1:
    bad.append(good[:, :, : traits.least_side - 1])
  for clip in bad:
    with pytest.raises(ValueError, match=f"{name} "):
      jax.eval_shape(module.init, jax.random.key(0), clip)


@pytest.mark.parametrize(("name", "index"), EVERY)
def test_exports_with_symbolic_sizes(name, index):
  module, variables, apply = network(name, index)
  specs = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), variables)
  least, side = module.traits.least_frames, module.traits.least_side
  shape = export.symbolic_shape(
    f"b, t, h, w, {module.traits.channels}",
    constraints=[f"t >= {least}", f"h >= {side}", f"w >= {side}"],
  )
  exported = export.export(apply)(specs, jax.ShapeDtypeStruct(shape, jnp.float32))
  assert exported.platforms == ("cpu",)
  for size in SIZES[:2]:
    clip = clips(module.traits, *size)
    np.testing.assert_allclose(exported.call(variables, clip), apply(variables, clip), atol=2e-6)


@functools.cache
def loss_and_gradients(name: str, index: int, *, remat: bool = False) -> tuple[jax.Array, Any, int]:
  """And the number of convolutions that it takes."""
  module, variables, _ = network(name, index)
  module = module.clone(remat=True) if remat else module
  # A memory does nothing for the first frame.
  clip = clips(module.traits, 2, 2 if module.traits.streaming else 1, 17, 24)
  target = np.random.default_rng(1).random((*clip.shape[:-1], 3), dtype=np.float32)

  def loss(params):
    result, _ = module.apply(
      {**variables, "params": params}, clip, train=True, mutable=["batch_stats"]
    )
    scale = module.traits.scale
    return jnp.mean((result["clip"][:, :, ::scale, ::scale] - target) ** 2)

  traced = jax.jit(jax.value_and_grad(loss)).trace(variables["params"])
  convolutions = str(traced.jaxpr).count("conv_general_dilated[")
  return *traced.lower().compile()(variables["params"]), convolutions


@pytest.mark.parametrize(("name", "index"), EVERY)
def test_gradients_are_finite_and_reach_every_parameter(name, index):
  _, gradients, _ = loss_and_gradients(name, index)
  for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
    assert np.isfinite(gradient).all(), path
    assert np.abs(gradient).max() > 0, path


@pytest.mark.parametrize(("name", "index"), EVERY)
def test_bfloat16_computes_near_float32_with_float32_parameters(name, index):
  module, variables, apply = network(name, index)
  # By name, as configurations have it, and by type.
  coarse = module.clone(dtype="bfloat16" if index == 0 else jnp.bfloat16)
  # Rounding moves places of max-unpooling, of which this size has none.
  clip = clips(module.traits, *((1, 1, 24, 40) if module.traits.discontinuous else USUAL))
  shapes = jax.eval_shape(coarse.init, jax.random.key(0), clip)
  assert {leaf.dtype for leaf in jax.tree.leaves(shapes)} == {jnp.dtype("float32")}
  found = jax.jit(lambda v, x: coarse.apply(v, x)["clip"])(variables, clip)
  expected = apply(variables, clip)
  assert found.dtype == jnp.float32
  error = np.abs(found - expected).max() / np.abs(expected).max()
  assert 1e-5 < error < 0.05  # above: it did compute in 8 bits of mantissa


@pytest.mark.parametrize(("name", "index"), EVERY)
def test_recomputing_stages_changes_nothing_but_memory(name, index):
  module, variables, _ = network(name, index)
  if not hasattr(module, "remat"):
    pytest.skip("has no remat")
  again = module.clone(remat=True)
  fresh = jax.eval_shape(again.init, jax.random.key(0), clips(module.traits, 1, 1, 8, 8))
  assert jax.tree.structure(fresh) == jax.tree.structure(variables), "weights would not load"

  loss, gradients, convolutions = loss_and_gradients(name, index)
  loss_again, gradients_again, convolutions_again = loss_and_gradients(name, index, remat=True)
  np.testing.assert_allclose(loss_again, loss, rtol=1e-6)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), gradients_again, gradients
  )
  assert convolutions_again > convolutions, "nothing is recomputed"
