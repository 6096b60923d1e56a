"""Published weights of MBLLEN: Keras, from github.com/Lvfeifan/MBLLEN (Apache-2.0)."""

from typing import Any

from llve_jax.models.mbllen import MBLLEN
from llve_jax.zoo.renaming import KERAS_KERNEL, KERAS_TRANSPOSED, VECTOR, Layout, Tensors, rename


def convert(
  tensors: Tensors, module: MBLLEN | None = None, *, source: str = "weights"
) -> dict[str, Any]:
  """Variables of `module` from the arrays of an .h5 file.

  Keras numbers layers in the order in which the program made them: feature convolution, the four
  convolutions of its branch, the next feature convolution, and so on; then the fusion. Transposed
  convolutions are numbered by themselves.

  Raises:
    UserError: another architecture; names the first mismatches.
  """
  module = module or MBLLEN()
  names: dict[str, tuple[str, Layout]] = {}

  def layer(ours: str, kind: str, number: int, layout: Layout) -> None:
    theirs = f"{kind}_{number}/{kind}_{number}"
    names[f"params/{ours}/kernel"] = (f"{theirs}/kernel", layout)
    names[f"params/{ours}/bias"] = (f"{theirs}/bias", VECTOR)

  for index in range(module.depth):
    inner = ("entry", "shrink_0", "shrink_1", "shrink_2")
    ours = [f"feature_{index}", *(f"branch_{index}/{name}" for name in inner)]
    for place, name in enumerate(ours):
      layer(name, "conv2d", 5 * index + place + 1, KERAS_KERNEL)
    for place in range(3):
      number = 3 * index + place + 1
      layer(f"branch_{index}/grow_{place}", "conv2d_transpose", number, KERAS_TRANSPOSED)
  layer("fusion", "conv2d", 5 * module.depth + 1, KERAS_KERNEL)
  return rename(tensors, names, module, source)
