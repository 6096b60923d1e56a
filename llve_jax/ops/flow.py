"""Move frames along a flow field, differentiably.

Flow [.., h, w, 2] holds (dx, dy) in pixels, x to the right, y down: the moved frame shows at (x, y)
what was at (x + dx, y + dy), as OpenCV's `remap` and PyTorch's `grid_sample` do (backward warping).
"""

import math
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int


def warp(
  frames: Float[Array, "*b h w c"],
  flow: Float[Array, "*b h w 2"],
  *,
  border: Literal["edge", "zero"] = "edge",
) -> Float[Array, "*b h w c"]:
  """Frames moved along `flow`, bilinear. Differentiable in both.

  Args:
    frames: in any unit.
    flow: (dx, dy) for every pixel of the result.
    border: what lies outside a frame: its nearest pixel, or 0.

  Raises:
    ValueError: flow and frames do not fit.
  """
  _check(frames, flow)
  height, width = frames.shape[-3:-1]
  x, y = _positions(flow)
  # Beyond one pixel outside, all is border: a larger flow must not overflow the index.
  margin = 0.0 if border == "edge" else 1.0
  x = jnp.clip(x, -margin, _last(width) + margin)
  y = jnp.clip(y, -margin, _last(height) + margin)
  left, top = jnp.floor(x), jnp.floor(y)
  across, down = x - left, y - top
  columns, rows = (jnp.asarray(start, jnp.int32) for start in (left, top))
  total = jnp.zeros_like(frames)
  for row, row_weight in ((rows, 1.0 - down), (rows + 1, down)):
    for column, column_weight in ((columns, 1.0 - across), (columns + 1, across)):
      weight = row_weight * column_weight
      if border == "zero":
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        weight = jnp.where(inside, weight, 0.0)
      total += weight[..., None].astype(frames.dtype) * _pick(frames, row, column)
  return total


def inside_frame(flow: Float[Array, "*b h w 2"]) -> Bool[Array, "*b h w 1"]:
  """True where `warp` uses nothing from outside the frame."""
  height, width = flow.shape[-3:-1]
  x, y = _positions(flow)
  return ((x >= 0) & (x <= _last(width)) & (y >= 0) & (y <= _last(height)))[..., None]


def _last(length: int) -> Float[Array, ""]:
  return jnp.asarray(length - 1, jnp.float32)


def _positions(flow: Float[Array, "*b h w 2"]) -> tuple[Array, Array]:
  """Where each pixel of the result comes from: x and y."""
  height, width = flow.shape[-3:-1]
  flow = jnp.asarray(flow, jnp.float32)
  x = jnp.arange(width, dtype=jnp.float32)
  y = jnp.arange(height, dtype=jnp.float32)[:, None]
  x, y = (lax.broadcast_to_rank(place, flow.ndim - 1) for place in (x, y))
  return x + flow[..., 0], y + flow[..., 1]


def _pick(
  frames: Float[Array, "*b h w c"], rows: Int[Array, "*b h w"], columns: Int[Array, "*b h w"]
) -> Float[Array, "*b h w c"]:
  """The pixels at (row, column), moved inside the frame where they are not."""
  height, width, channels = frames.shape[-3:]
  index = jnp.clip(rows, 0, height - 1) * width + jnp.clip(columns, 0, width - 1)
  lines = frames.reshape(*frames.shape[:-3], height * width, channels)
  index = index.reshape(*index.shape[:-2], height * width, 1)
  return jnp.take_along_axis(lines, index, axis=-2).reshape(frames.shape)


def random_flow(
  key: Array, count: int, size: tuple[int, int], max_motion: float, *, scale: int = 1
) -> Float[Array, "b h w 2"]:
  """Draws plausible motion for `count` clips: a shift, a turn with zoom and a wave, mixed.

  No pixel moves by more than `max_motion`. From one pixel to the next the flow changes by at most
  2 pi `max_motion` / the longer side: a wave has at most one period along it.

  Args:
    key: random key.
    count: of flows.
    size: height and width of the frames, in pixels.
    max_motion: in pixels.
    scale: the same motion for frames that are larger by this factor, in their pixels.

  Returns:
    (dx, dy), as `ops.flow` has it, for frames of `scale * size`.
  """
  y, x = (
    (2.0 * (jnp.arange(scale * side, dtype=jnp.float32) + 0.5) / scale - side) / max(size)
    for side in size
  )
  place = jnp.stack(jnp.meshgrid(x, y), axis=-1)  # from -1 to 1 along the longer side

  def linear(matrices: Array) -> Array:
    return (matrices[:, None, None] * place[None, :, :, None]).sum(axis=-1)

  angle_key, wave_key, share_key, strength_key = jax.random.split(key, 4)
  angles = 2.0 * math.pi * jax.random.uniform(angle_key, (4, count, 1, 1))
  # Each of the three is a field of vectors no longer than 1.
  shift = jnp.stack([jnp.cos(angles[0]), jnp.sin(angles[0])], axis=-1)
  cos, sin = jnp.cos(angles[1, :, 0, 0]), jnp.sin(angles[1, :, 0, 0])
  similarity = jnp.stack([jnp.stack([cos, -sin], -1), jnp.stack([sin, cos], -1)], axis=-2)
  waves = jax.random.uniform(wave_key, (count, 2, 2), minval=-1.0)
  phases = jnp.stack([angles[2], angles[3]], axis=-1)
  fields = [
    shift,
    math.sqrt(0.5) * linear(similarity),
    math.sqrt(0.5) * jnp.sin(math.pi * linear(waves) + phases),
  ]
  shares = jax.random.uniform(share_key, (3, count, 1, 1, 1), minval=0.1)
  strength = scale * max_motion * jax.random.uniform(strength_key, (count, 1, 1, 1))
  mixed = sum(share * field for share, field in zip(shares, fields, strict=True))
  return strength * mixed / shares.sum(axis=0)


def _check(frames: Array, flow: Array) -> None:
  if flow.shape != (*frames.shape[:-1], 2):
    raise ValueError(f"flow {flow.shape} must have the shape {(*frames.shape[:-1], 2)}")
