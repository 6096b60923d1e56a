"""Average every pixel with its past for as long as nothing there has changed.

After the recursive filter of Maggioni et al., "Efficient Multi-Stage Video Denoising With Recurrent
Spatio-Temporal Fusion" (EMVD), CVPR 2021: a change counts by its size against the noise that is to
be expected, and how much a pixel has been averaged already is remembered beside it. The form is our
own: a running mean with a test for change, in blocks of 2 x 2 pixels.

Frames are halved: the 2 x 2 pixels of a block are the 12 channels of one position.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.models.blocks import turns_at_once
from llve_jax.ops.larger import larger

LONGEST = 16.0  # frames that a pixel is averaged over at most
# Variance of the noise in the dark to begin with, and what it grows by with light. In the dark,
# blocks that a codec moves by one code are averaged, those that move by three are new.
_DARK, _LIGHT = (2.0 / 255.0) ** 2, 3e-4
_HIGHLIGHT = 0.9  # from here to 1 the past is forgotten

Blocks = Float[Array, "n h w 12"]
Past = dict[str, Array]


def settle(
  frames: Float[Array, "b t h w 12"], control: Float[Array, "b t 4"], past: Past | None
) -> tuple[Float[Array, "b t h w 12"], Past]:
  """Averages frames over time: y_t = x_t + a (y_{t-1} - x_t), a = n / (n + 1).

  n counts the frames in y_{t-1}, and falls to 0 where something has changed: it is multiplied by
  sigmoid(c - k z), where z = mean |box(x_t - y_{t-1})| / sqrt((floor + slope x)(1 + 1/n)). The box
  of 6 x 6 pixels averages noise away from the change. What is clipped now is never mixed with what
  was not.

  Args:
    frames: sRGB in [0, 1].
    control: c, log k, log of the noise's variance in the dark, and of what it grows by with light;
      each 0 is a good first guess.
    past: what the call before returned; None: the first frame is its own past.

  Returns:
    The averaged frames, and the past of the next ones: "frame" and "count".
  """
  if past is None and frames.shape[1] == 1:
    first = jax.lax.index_in_dim(frames, 0, 1, keepdims=False)
    return frames, {"frame": first, "count": jnp.ones_like(first[..., :1])}

  def step(before: Past, now: tuple[Array, Array]) -> tuple[Past, Array]:
    frame, control = now
    patience, sensitive, floor, slope = jnp.split(control[:, None, None], 4, axis=-1)
    change = box(colors(frame - before["frame"]))
    light = box(jnp.mean(frame, axis=-1, keepdims=True))
    count = before["count"]
    noise = _DARK * jnp.exp(floor) + _LIGHT * jnp.exp(slope) * light
    size = jnp.mean(jnp.abs(change), axis=-1, keepdims=True)
    size *= jax.lax.rsqrt(noise * (1.0 + 1.0 / jnp.maximum(count, 1.0)) / 12.0)
    same = jax.nn.sigmoid(4.0 + patience - 2.0 * jnp.exp(sensitive) * size)
    kept = count * same * highlight_fade(frame)
    mixed = frame + kept / (kept + 1.0) * (before["frame"] - frame)
    return {"frame": mixed, "count": jnp.minimum(kept + 1.0, LONGEST)}, mixed

  if past is None:
    first = jax.lax.index_in_dim(frames, 0, 1, keepdims=False)
    past = {"frame": first, "count": jnp.zeros_like(first[..., :1])}
  in_time = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), (frames, control))
  last, settled = jax.lax.scan(step, past, in_time, unroll=turns_at_once(frames.shape[1]))
  return jnp.swapaxes(settled, 0, 1), last


def colors(blocks: Blocks) -> Float[Array, "n h w 3"]:
  """The mean colour of every block."""
  first, *others = jnp.split(blocks, 4, axis=-1)
  return sum(others, start=first) * 0.25


def of_pixels(blocks: Blocks) -> Float[Array, "n h w 4"]:
  """The brightest colour of each pixel of a block; not by `max`, which is slow over three."""
  red, green, blue = jnp.split(blocks.reshape(*blocks.shape[:-1], 4, 3), 3, axis=-1)
  return jnp.squeeze(larger(larger(red, green), blue), -1)


def highlight_fade(blocks: Blocks) -> Float[Array, "n h w 1"]:
  """1 for most blocks, 0 where the brightest colour is clipped, linear in between."""
  pixels = of_pixels(blocks)
  brightest = larger(*jnp.split(larger(*jnp.split(pixels, 2, axis=-1)), 2, axis=-1))
  return jnp.clip((1.0 - brightest) / (1.0 - _HIGHLIGHT), 0.0, 1.0)


def box(x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
  """Mean of 3 x 3 positions; beyond the border there is 0."""
  for axis in (1, 2):
    pads = [(0, 0)] * 4
    pads[axis] = (1, 1)
    padded, size = jnp.pad(x, pads), x.shape[axis]
    parts = [jax.lax.slice_in_dim(padded, k, k + size, axis=axis) for k in range(3)]
    x = (parts[0] + parts[1] + parts[2]) / 3.0
  return x
