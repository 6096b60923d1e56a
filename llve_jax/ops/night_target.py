"""What a dark scene that is lit unevenly should become: a night that one can see in."""

import numpy as np
from jaxtyping import Float

from llve_jax.ops.camera import rounded, tone
from llve_jax.shapes import Frame8

_NIGHT = 0.3  # power of the exposure that a night scene keeps in the target
_KNEE = 0.6  # light from which on what lamps light is compressed
_WHITEST = 0.9  # light that it comes close to: sRGB code 243


def target(
  scene: Float[np.ndarray, "h w 3"],
  light: Float[np.ndarray, "h w 3"],
  lamps: Float[np.ndarray, "h w 3"],
  exposure: float,
) -> Frame8:
  """What should become of a scene that is lit unevenly; it does not flicker.

  Where lamps are seen it is a night that one can see in, and not day: part of the exposure is made
  up for, what they light stays below white, and they are as bright as in the dark clip. Nothing is
  darker than there.

  Args:
    scene: the bright clip's light under lifted illumination.
    light: the same as it was, but for exposure and lamps.
    lamps: light of the lamps themselves.
    exposure: of the dark clip.
  """
  if not lamps.any():
    return rounded(tone(scene))
  scene *= np.float32(exposure**_NIGHT)
  room = np.float32(_WHITEST - _KNEE)
  above = np.maximum(scene - np.float32(_KNEE), 0)
  scene = np.minimum(scene, np.float32(_KNEE)) + room * (1 - np.exp(-above / room))
  seen = np.minimum(np.maximum(scene, light * np.float32(exposure)), 1)
  seen += np.minimum(lamps * np.float32(exposure), 1) * (1 - seen)
  return rounded(tone(seen))
