"""The form that video players take: one input, one output, float32 planes [1, c, h, w] in [0, 1].

Frames lie behind each other as colour planes, as VapourSynth's vs-mlrt hands them over: three
planes for each frame of a window, the oldest first. What comes out is one frame: that in the middle
of the window, or of a network that streams the last, which has looked back at the others.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export, lax

from llve_jax.errors import UserError
from llve_jax.export.probes import Probe, Size, at_least, noise, scene
from llve_jax.export.signatures import Arrays, Signature, constraints_of
from llve_jax.methods.compiled import pure
from llve_jax.models.contract import Traits
from llve_jax.ops.frames import to_unit
from llve_jax.shapes import Frames8
from llve_jax.zoo.trained import Trained

WAY = "planes"
SIZES: tuple[tuple[int, int], ...] = ((33, 47), (5, 3))  # odd, and below every stride


def check(traits: Traits) -> None:
  """For networks of sRGB alone: players hold nothing else.

  Raises:
    UserError: the network takes something else.
  """
  if traits.input_kind != "srgb":
    raise UserError(
      f"--layout=nchw is for players, which hold sRGB; this network takes {traits.input_kind} "
      "clips, leave --layout out"
    )


def signature(network: Trained, frames: int, size: tuple[int, int] | None) -> Signature:
  """`serving_default` from `frame` [1, 3 * frames, h, w] to `frame` [1, 3, h, w].

  Args:
    network: the network.
    frames: of a window.
    size: rows and columns; None leaves them open.
  """
  traits = network.traits
  run = pure(network.module)
  constraints = constraints_of(traits, "hw")
  low, high = traits.value_range

  def apply(variables: Any, inputs: Arrays) -> Arrays:
    clip = low + (high - low) * clip_of(inputs["frame"])
    if not traits.streaming:
      return {"frame": planes_of(frame_of(run(variables, clip, None, None)[0], traits))}
    carry, bright = None, clip
    for index in range(frames):
      one = lax.slice_in_dim(clip, index, index + 1, axis=1)
      bright, carry = run(variables, one, carry, None)
    return {"frame": planes_of(jnp.squeeze(bright, 1))}

  sides = size or export.symbolic_shape("h, w", constraints=constraints)
  inputs = {"frame": jax.ShapeDtypeStruct((1, 3 * frames, *sides), jnp.float32)}
  outputs = jax.eval_shape(apply, network.variables, inputs)
  return Signature("serving_default", apply, inputs, outputs, constraints)


def clip_of(planes: Any) -> Any:
  """[b, 3 * t, h, w] as [b, t, h, w, 3], numpy or JAX."""
  batch, count, height, width = planes.shape
  return planes.reshape(batch, count // 3, 3, height, width).transpose(0, 1, 3, 4, 2)


def planes_of(frames: Any) -> Any:
  """[b, h, w, 3] as [b, 3, h, w], numpy or JAX."""
  return frames.transpose(0, 3, 1, 2)


def frame_of(clip: Any, traits: Traits) -> Any:
  """The frame that is shown of a bright window [b, t, h, w, c]: [b, h, w, c], numpy or JAX."""
  shown = clip.shape[1] - 1 if traits.streaming else clip.shape[1] // 2
  if isinstance(clip, np.ndarray):
    return clip[:, shown]
  return lax.index_in_dim(clip, shown, axis=1, keepdims=False)


def probes(
  traits: Traits, frames: int, size: tuple[int, int] | None, real: Frames8 | None
) -> list[Probe]:
  """Trials of an export that takes planes.

  Args:
    traits: of the network.
    frames: of a window.
    size: rows and columns; None: the export takes any.
    real: frames of a video.
  """
  unit = Traits(traits.stride, traits.receptive_field)

  def probe(clip: np.ndarray, what: str) -> Probe:
    given = clip.transpose(0, 1, 4, 2, 3).reshape(1, -1, *clip.shape[2:4])
    return Probe(WAY, np.ascontiguousarray(given), what)

  def shape(sides: tuple[int, int]) -> Size:
    _, _, height, width = at_least(traits, (1, frames, *sides))
    return 1, frames, height, width

  sizes = (size,) if size else SIZES
  found = [probe(noise(shape(sides), unit, 0), "noise") for sides in sizes]
  found.append(probe(scene(shape(size or (45, 64)), unit), "scene"))
  if real is not None:
    found.insert(0, probe(to_unit(real)[None, :frames], "video"))
  return found
