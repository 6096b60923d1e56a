"""Published weights of SCI: PyTorch, from github.com/vis-opt-group/SCI (MIT)."""

from typing import Any

import numpy as np

from llve_jax.errors import UserError
from llve_jax.models.sci import SCI
from llve_jax.zoo.renaming import TORCH_KERNEL, VECTOR, Layout, Tensors, mismatch, rename

_BLOCKS = "enhance.blocks."
_TRAINING_ONLY = ("calibrate.", "_criterion.")
_NORM = {
  "params/illumination/norm/scale": "enhance.conv.1.weight",
  "params/illumination/norm/bias": "enhance.conv.1.bias",
  "batch_stats/illumination/norm/mean": "enhance.conv.1.running_mean",
  "batch_stats/illumination/norm/var": "enhance.conv.1.running_var",
}


def convert(
  tensors: Tensors, module: SCI | None = None, *, source: str = "weights"
) -> dict[str, Any]:
  """Variables of `module` from the tensors of a .pt file.

  The file also holds the calibration network, which only training needs, and says the weights of
  the residual block once more for each time it is applied.

  Raises:
    UserError: another architecture; names the first mismatches.
  """
  module = module or SCI()
  names: dict[str, tuple[str, Layout]] = {}
  for ours, theirs in (("entry", "in_conv.0"), ("block", "conv.0"), ("exit", "out_conv.0")):
    names[f"params/illumination/{ours}/kernel"] = (f"enhance.{theirs}.weight", TORCH_KERNEL)
    names[f"params/illumination/{ours}/bias"] = (f"enhance.{theirs}.bias", VECTOR)
  names |= {here: (there, VECTOR) for here, there in _NORM.items()}

  kept = {
    name: tensor
    for name, tensor in tensors.items()
    if not name.startswith(_TRAINING_ONLY) and not name.endswith(".num_batches_tracked")
  }
  repeated = {name: kept.pop(name) for name in list(kept) if name.startswith(_BLOCKS)}
  wrong = []
  for name, tensor in repeated.items():
    number, _, rest = name.removeprefix(_BLOCKS).partition(".")
    if not number.isdigit() or int(number) >= module.blocks:
      wrong.append(f"{name} is surplus")
    elif not np.array_equal(tensor, kept.get(f"enhance.conv.{rest}", np.empty(0))):
      wrong.append(f"{name} differs from enhance.conv.{rest}, with which it should be shared")
  if wrong:
    raise UserError(mismatch(source, wrong))
  return rename(kept, names, module, source)
