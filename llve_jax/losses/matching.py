"""Finding, for every feature of one map, its nearest in another, within bounded memory."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

_ROUNDING = 1e-6  # of a cost, relative to 1 and to itself: a few units of float32's last place

Maps = Float[Array, "b h w c"]
Vectors = Float[Array, "b n c"]


def grid(height: int, width: int) -> Float[Array, "h*w 2"]:
  """Row and column index of every position, rows first."""
  index = jnp.indices((height, width), jnp.float32)
  return index.reshape(2, -1).T


def sample(height: int, width: int, most: int, key: Array | None) -> Int[Array, "m"]:
  """At most `most` positions of a map: drawn by `key`, else the finest lattice that fits."""
  if key is not None:
    return jax.random.permutation(key, height * width)[:most]
  step = 1
  while -(-height // step) * -(-width // step) > most:
    step += 1
  return jnp.arange(height * width).reshape(height, width)[::step, ::step].reshape(-1)


def directions(pred: Maps, target: Maps, center: bool) -> tuple[Vectors, Vectors]:
  """Both maps as unit vectors, float32; `center` subtracts the target's mean feature first."""
  batch, height, width, channels = pred.shape
  p, q = (
    jnp.asarray(maps, jnp.float32).reshape(batch, height * width, channels)
    for maps in (pred, target)
  )
  floor = jnp.float32(1e-12)
  if center:
    mean = jnp.mean(q, axis=1, keepdims=True)
    p, q = p - mean, q - mean
    # Far below the mean, what float32 leaves of a flat map is rounding, no direction. Features of
    # real frames, however dark, are at 5e-2 of the mean or more.
    floor += 1e-8 * lax.stop_gradient(jnp.sum(jnp.square(mean), axis=-1, keepdims=True))
  return _unit(p, floor), _unit(q, floor)


def _unit(vectors: Vectors, floor: Float[Array, "..."]) -> Vectors:
  """Vectors over their norm; a squared norm under `floor` counts as `floor`, so 0 stays 0."""
  squared = jnp.sum(jnp.square(vectors), axis=-1, keepdims=True)
  return vectors * lax.rsqrt(jnp.maximum(squared, floor))


def _dot(p: Float[Array, "... m c"], q: Float[Array, "... n c"]) -> Float[Array, "... m n"]:
  """All dot products, in full float32: the default of GPUs and TPUs keeps three digits."""
  return jnp.matmul(p, jnp.swapaxes(q, -1, -2), precision=lax.Precision.HIGHEST)


def _half_square(vectors: Float[Array, "... c"]) -> Float[Array, "..."]:
  return 0.5 * jnp.sum(jnp.square(vectors), axis=-1)


def nearest(
  p: Float[Array, "n c"],
  q: Float[Array, "n c"],
  places: Float[Array, "n 2"],
  spatial_weight: float,
  block: int,
  root: bool = False,
) -> Int[Array, "n"]:
  """For each p_i the index j of least |p_i - q_j|^2 / 2 + spatial_weight * |places_i - places_j|.

  For unit vectors the first part is 1 - cos; with `root` it is |p_i - q_j|. The first of several
  minima wins that are equal up to a rounding.
  """
  count = p.shape[0]
  blocks = -(-count // min(block, count))
  size = -(-count // blocks)
  padding = blocks * size - count
  own = _half_square(p)[:, None]  # moves no minimum, unless under the root

  def split(array: Array, fill: float = 0.0) -> Array:
    widths = [(0, padding)] + [(0, 0)] * (array.ndim - 1)
    return jnp.pad(array, widths, constant_values=fill).reshape(blocks, size, *array.shape[1:])

  def compare(
    best: tuple[Float[Array, "n"], Int[Array, "n"]], columns: tuple[Array, Array, Array, Array]
  ) -> tuple[tuple[Array, Array], None]:
    q_block, half, places_block, first = columns
    down, across = (places[:, None, axis] - places_block[None, :, axis] for axis in (0, 1))
    apart = jnp.sqrt(jnp.square(down) + jnp.square(across))
    # argmin in two passes: on CPUs XLA makes it a scalar loop, three times slower. The barrier has
    # both passes read one stored table. A compiler may drop it and compute the table twice; so that
    # one is found then too, what is greater by a rounding counts as least.
    difference = half[None] - _dot(p, q_block)
    if root:
      difference = jnp.sqrt(2.0 * jnp.maximum(own + difference, 0.0))
    cost = lax.optimization_barrier(difference + spatial_weight * apart)
    least = jnp.min(cost, axis=1)
    column = lax.broadcasted_iota(jnp.int32, cost.shape, 1)
    rounding = _ROUNDING * (1.0 + jnp.abs(least) + own[:, 0])
    where = jnp.min(jnp.where(cost <= (least + rounding)[:, None], column, size - 1), axis=1)
    better = least < best[0]
    return (jnp.where(better, least, best[0]), jnp.where(better, first + where, best[1])), None

  # Padding costs infinity, so it is never the nearest.
  columns = (split(q), split(_half_square(q), jnp.inf), split(places))
  firsts = jnp.arange(blocks, dtype=jnp.int32) * size
  start = (jnp.full(count, jnp.inf, p.dtype), jnp.zeros(count, jnp.int32))
  (_, index), _ = lax.scan(compare, start, (*columns, firsts))
  return index


def cosine_distances(p: Vectors, q: Vectors) -> Float[Array, "b m n"]:
  """1 - cos of all pairs of unit vectors; rounding cannot take it below 0."""
  distances = _half_square(p)[..., :, None] + _half_square(q)[..., None, :] - _dot(p, q)
  return jnp.maximum(distances, 0.0)
