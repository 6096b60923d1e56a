"""Whether a result drifts while the scene stands still: a thousand frames with new noise in each.

  python -m experiments.benchmarks.still_scene --model=night          # a minute or two on two cores
  python -m experiments.benchmarks.still_scene --model=RUN --film=dark.mp4 --length=300

The scene is the first frame of --film, or of a clip that a package ships, made dark; the noise has
a standard deviation of two codes. Printed is the mean colour of results in CIE Lab over 50 frames,
at the beginning and after a while, and how far any such mean lies from the first one.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from absl import flags
from jaxtyping import Float

from experiments.benchmarks.dark_film import dark
from llve_jax import methods
from llve_jax.errors import UserError, run_main
from llve_jax.io.platform import without_tpu
from llve_jax.io.video import read_frames
from llve_jax.methods.method import Method
from llve_jax.shapes import Frame8
from llve_jax.zoo.shipped import DEFAULT

_WINDOW = 50  # frames whose mean is looked at: noise of a single one is no drift
_NOISE = 2.0  # codes


def still(scene: Frame8, length: int) -> Iterator[Frame8]:
  """A scene that stands still, noise that does not."""
  random = np.random.default_rng(0)
  for _ in range(length):
    noise = _NOISE * random.standard_normal(scene.shape, np.float32)
    yield np.clip(np.rint(scene + noise), 0, 255).astype(np.uint8)


def colors(method: Method, scene: Frame8, length: int) -> Float[np.ndarray, "windows 3"]:
  """Means of L*, a* and b* over 50 frames of the result each, one behind the other."""
  means = [
    cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).mean((0, 1))
    for frame in method.stream(still(scene, length))
  ]
  whole = len(means) // _WINDOW * _WINDOW
  return np.asarray(means[:whole]).reshape(-1, _WINDOW, 3).mean(axis=1)


def define_flags() -> None:
  """The command's flags."""
  flags.DEFINE_string("model", DEFAULT, methods.HELP)
  flags.DEFINE_string("film", None, "Its first frame is the scene; without: a clip made dark.")
  flags.DEFINE_integer("length", 1000, "Frames.", lower_bound=2 * _WINDOW)


def main(argv: Sequence[str]) -> None:
  """Prints a line for each of a few moments, and the largest distance."""
  values = flags.FLAGS
  if len(argv) > 1:
    raise UserError(f"expected flags alone; found {' '.join(argv[1:])}")
  without_tpu()
  scene = next(iter(read_frames(values.film))).image if values.film else next(dark(1, (320, 180)))
  found = colors(methods.load(values.model), scene, values.length)
  for window in sorted({0, 1, len(found) // 4, len(found) // 2, len(found) - 1}):
    lightness, red, yellow = found[window]
    print(f"frame {window * _WINDOW:5d}: L* {lightness:.2f}, a* {red:.2f}, b* {yellow:.2f}")
  print(f"farthest from the first: {np.linalg.norm(found - found[0], axis=1).max():.3f}")


if __name__ == "__main__":
  define_flags()
  run_main(main)
