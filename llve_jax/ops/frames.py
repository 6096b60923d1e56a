"""Between the 8-bit frames of files and the clips of networks."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8


@jax.jit
def clips_of(frames: UInt8[Array, "b h w c"]) -> Float[Array, "b 1 h w c"]:
  """Each 8-bit frame as a clip of one frame, float32 in [0, 1]."""
  return frames[:, None].astype(jnp.float32) / 255.0


@jax.jit
def frames_of(clips: Float[Array, "b 1 h w c"]) -> UInt8[Array, "b h w c"]:
  """Clips of one frame as 8-bit frames: clipped to [0, 1] and rounded, as a saved file would be."""
  return jnp.round(jnp.clip(clips[:, 0], 0.0, 1.0) * 255.0).astype(jnp.uint8)
