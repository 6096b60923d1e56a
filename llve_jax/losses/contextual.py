"""Contextual losses: each feature of the prediction looks for its match in the target.

They bear targets that are a few pixels off, as a second take of a scene or the other camera of a
pair is. All take feature maps [b, h, w, c] and give [b]; no step holds more than `block` columns of
the table of all distances, forward or backward.

Zhang et al., "Zoom to Learn, Learn to Zoom", CVPR 2019 (arXiv 1905.05169): CoBi.
Mechrez et al., "The Contextual Loss", ECCV 2018 (arXiv 1803.02077): CX.
Equation 2.7 is that of System A's report.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from llve_jax.losses.contract import MAPS, check_same_shape, euclidean_norm
from llve_jax.losses.matching import cosine_distances, directions, grid, nearest, sample
from llve_jax.losses.vgg import INPUT, FeatureMaps, Vgg, VggLoss

Maps = Float[Array, "b h w c"]
PerMap = Float[Array, "b"]
Vectors = Float[Array, "b n c"]
Similarity = Callable[[Vectors, Vectors, Int[Array, "m"]], Float[Array, "b m n"]]

MAX_POSITIONS = 63 * 63  # what the authors sample per map
COBI_LAYERS = {"conv1_2": 1.0, "conv2_2": 1.0, "conv3_2": 0.5}


def cobi(
  pred: Maps,
  target: Maps,
  *,
  spatial_weight: float = 0.1,
  block: int = 1024,
  center: bool = True,
  max_positions: int | None = None,
  key: Array | None = None,
) -> PerMap:
  """Contextual bilateral loss: (1/N) sum_i min_j (d_ij + spatial_weight * d'_ij), literally Eq 2.7.

  d is the cosine distance, 1 - cos, of feature i of the prediction and feature j of the target;
  d' the Euclidean distance of their true positions, pixel centres in units of the larger side.
  Features without a direction (a flat map, centred) are at d = 0 from each other, 1/2 from others.

  The minimum is searched in blocks, outside differentiation; then only the N matched pairs are
  differentiated, which is the exact gradient of a minimum. Time O(N^2 c), memory O(N block + N c).

  Args:
    pred: feature maps of the prediction.
    target: feature maps of the target, of the same shape.
    spatial_weight: w_s, the price of a match one larger side away.
    block: target positions compared at once.
    center: subtract the mean feature of the whole target map, one per sample, from both first.
    max_positions: larger maps are sampled down to at most this many positions, the same in both,
      which keep their true coordinates.
    key: draws those positions at random; without it they are every k-th row and column.

  Raises:
    ValueError: the shapes differ.
  """
  check_same_shape(pred, target, MAPS)
  height, width = pred.shape[1:3]
  p, q = directions(pred, target, center)
  kept = _kept(height, width, max_positions, key)
  places = _places(height, width)[kept]
  p, q = p[:, kept], q[:, kept]
  matches = _matches(p, q, places, spatial_weight, block)
  matched = jnp.take_along_axis(q, matches[:, :, None], axis=1)
  distance = 0.5 * jnp.sum(jnp.square(p - matched), axis=-1)
  shift = euclidean_norm(places[None] - places[matches])
  return jnp.mean(distance + spatial_weight * shift, axis=1)


def cobi_patches(
  pred: Maps,
  target: Maps,
  *,
  size: int = 5,
  spatial_weight: float = 0.1,
  block: int = 1024,
  max_positions: int | None = None,
  key: Array | None = None,
) -> PerMap:
  """`cobi` of the patches of `size` x `size` pixels around every pixel, with Euclidean distances.

  d is the root of the mean squared difference of two patches, so that it lies in [0, 1] for frames
  in [0, 1] and keeps its proportion to d' whatever the size. (The authors take the plain norm of
  8-bit values, whose scale their released form divides out again.) Outside the frame is 0.

  Raises:
    ValueError: the shapes differ.
  """
  check_same_shape(pred, target, MAPS)
  height, width = pred.shape[1:3]
  kept = _kept(height, width, max_positions, key)
  places = _places(height, width)[kept]
  # The middle value taken off both, or squares of bright patches drown their differences.
  middle = lax.stop_gradient(jnp.mean(target, axis=(1, 2), keepdims=True))
  p, q = (_patches(maps, size, kept, middle) for maps in (pred, target))
  matches = _matches(p, q, places, spatial_weight, block, root=True)
  distance = euclidean_norm(p - jnp.take_along_axis(q, matches[:, :, None], axis=1))
  shift = euclidean_norm(places[None] - places[matches])
  return jnp.mean(distance + spatial_weight * shift, axis=1)


def cx(
  pred: Maps,
  target: Maps,
  *,
  bandwidth: float = 0.5,
  epsilon: float = 1e-5,
  block: int = 1024,
) -> PerMap:
  """Contextual loss -log mean_j max_i cx_ij; positions play no part.

  cx_ij is the softmax over j of -r_ij / bandwidth, r_ij = d_ij / (min_k d_ik + epsilon), d the
  cosine distance of centred features. At least 0; near 0 if each target feature is one prediction
  feature's clear match.

  Raises:
    ValueError: the shapes differ.
  """
  check_same_shape(pred, target, MAPS)

  def similarity(p: Vectors, q: Vectors, _: Int[Array, "m"]) -> Float[Array, "b m n"]:
    return _relative_softmax(cosine_distances(p, q), bandwidth, epsilon)

  return _contextual(*directions(pred, target, center=True), similarity, block)


def cobi_released(
  pred: Maps,
  target: Maps,
  *,
  spatial_weight: float = 0.1,
  bandwidth: float = 0.5,
  block: int = 1024,
) -> PerMap:
  """CoBi as its authors' code computes it, which is not Eq 2.7: for comparison only.

  -log mean_j max_i ((1 - w_s) cx_ij + w_s cx'_ij), with (1 - cos)/2 in cx, epsilon 1e-3, and cx'
  the same formula on squared distances of grid positions. The grid's defects are kept. Its relative
  distances are divided by 0 + 1e-3, so cx' is the identity on small maps and reaches one or two
  positions on the largest (63 x 63): a match that moved further gets no credit for being near. And
  each side is its own unit, with rows and columns interchanged: on maps that are not square, cx'
  pairs positions of different places. Not kept: their mean feature is over the whole batch.

  Raises:
    ValueError: the shapes differ.
  """
  check_same_shape(pred, target, MAPS)
  height, width = pred.shape[1:3]
  swapped = grid(width, height)  # x is the slow axis of their meshgrid
  places = swapped[:, ::-1] / jnp.array([(height, width)], jnp.float32)

  def similarity(p: Vectors, q: Vectors, rows: Int[Array, "m"]) -> Float[Array, "b m n"]:
    squared = jnp.sum(jnp.square(places[rows][:, None] - places[None]), axis=-1)
    spatial = _relative_softmax(squared, bandwidth, 1e-3)
    features = _relative_softmax(0.5 * cosine_distances(p, q), bandwidth, 1e-3)
    return (1.0 - spatial_weight) * features + spatial_weight * spatial[None]

  return _contextual(*directions(pred, target, center=True), similarity, block)


def cobi_of_features(
  pred: FeatureMaps, target: FeatureMaps, key: Array | None = None
) -> Float[Array, "n"]:
  """`cobi` of VGG maps conv1_2, conv2_2 and conv3_2 with weights 1, 1 and 0.5.

  Maps of more than 63 x 63 positions are sampled: at random with a key, which over many steps
  reaches every position, and on a lattice without.
  """
  total = jnp.zeros(pred["conv1_2"].shape[0], jnp.float32)
  for index, (layer, weight) in enumerate(COBI_LAYERS.items()):
    layer_key = None if key is None else jax.random.fold_in(key, index)
    # A small block: one call holds the frames of a whole batch.
    total += weight * cobi(
      pred[layer], target[layer], block=256, max_positions=MAX_POSITIONS, key=layer_key
    )
  return total


def cobi_of_patches(
  pred: FeatureMaps, target: FeatureMaps, key: Array | None = None
) -> Float[Array, "n"]:
  """`cobi_patches` of the frames themselves, 5 x 5 pixels, sampled as `cobi_of_features` is."""
  return cobi_patches(pred[INPUT], target[INPUT], block=256, max_positions=MAX_POSITIONS, key=key)


# VGG-16 has these three layers too, in the same places; its weights come with a package.
cobi_vgg16 = VggLoss(tuple(COBI_LAYERS), cobi_of_features)
cobi_vgg19 = VggLoss(tuple(COBI_LAYERS), cobi_of_features, Vgg("vgg19", "average"))
cobi_rgb = VggLoss((INPUT,), cobi_of_patches, unit=1.0)


def _kept(
  height: int, width: int, max_positions: int | None, key: Array | None
) -> Int[Array, "m"] | slice:
  """Which positions take part."""
  if max_positions is None or height * width <= max_positions:
    return slice(None)
  return sample(height, width, max_positions, key)


def _places(height: int, width: int) -> Float[Array, "n 2"]:
  """Pixel centres in units of the larger side."""
  return (grid(height, width) + 0.5) / max(height, width)


def _matches(
  p: Vectors,
  q: Vectors,
  places: Float[Array, "n 2"],
  spatial_weight: float,
  block: int,
  root: bool = False,
) -> Int[Array, "b n"]:
  """`nearest` of every sample, outside differentiation."""
  search = jax.vmap(nearest, in_axes=(0, 0, None, None, None, None))
  return search(lax.stop_gradient(p), lax.stop_gradient(q), places, spatial_weight, block, root)


def _patches(
  maps: Maps, size: int, kept: Int[Array, "m"] | slice, middle: Float[Array, "b 1 1 c"]
) -> Vectors:
  """The patch around each kept position less `middle`, scaled so that norms are root mean squares.

  Outside the map is 0, and `middle` comes off that too.
  """
  maps = jnp.asarray(maps, jnp.float32)
  height, width, channels = maps.shape[1:]
  before = (size - 1) // 2
  padding = ((0, 0), (before, size - 1 - before), (before, size - 1 - before), (0, 0))
  padded = jnp.pad(maps, padding) - middle.astype(jnp.float32)
  shifted = [
    padded[:, row : row + height, column : column + width].reshape(-1, height * width, channels)
    for row in range(size)
    for column in range(size)
  ]
  vectors = jnp.concatenate([values[:, kept] for values in shifted], axis=-1)
  return vectors / float(size * channels**0.5)


def _relative_softmax(
  distances: Float[Array, "... m n"], bandwidth: float, epsilon: float
) -> Float[Array, "... m n"]:
  """exp((1 - r) / h) over its sum along the last axis; r is the distance over the row's least."""
  least = _entries(distances, jnp.argmin(distances, axis=-1), axis=-1)
  return jax.nn.softmax(-distances / (least + epsilon) / bandwidth, axis=-1)


def _entries(table: Array, index: Int[Array, "..."], axis: int) -> Array:
  """The entries of `table` at `index`, keeping the axis.

  For a least or greatest entry this has a safer gradient than `min` and `max`, which look for the
  entries equal to the result: where the compiler computes the table twice, roundings may differ,
  none is equal, and the gradient is 0/0.
  """
  return jnp.take_along_axis(table, jnp.expand_dims(index, axis), axis=axis)


def _contextual(p: Vectors, q: Vectors, similarity: Similarity, block: int) -> PerMap:
  """-log mean_j max_i similarity(p, q, rows)_ij; going backward, each block is recomputed."""
  count = p.shape[1]
  blocks = -(-count // min(block, count))
  size = -(-count // blocks)
  rows = jnp.arange(blocks * size, dtype=jnp.int32).reshape(blocks, size)

  @jax.checkpoint
  def greatest(best: Float[Array, "b n"], index: Int[Array, "m"]) -> tuple[Array, None]:
    safe = jnp.minimum(index, count - 1)  # the last block repeats the last row: no new maximum
    table = similarity(p[:, safe], q, safe)
    return jnp.maximum(best, _entries(table, jnp.argmax(table, axis=1), axis=1)[:, 0]), None

  best, _ = lax.scan(greatest, jnp.zeros(q.shape[:2], q.dtype), rows)
  return -jnp.log(jnp.mean(best, axis=1))
