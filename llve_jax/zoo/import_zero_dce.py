"""Published weights of Zero-DCE: PyTorch, from github.com/Li-Chongyi/Zero-DCE (CC BY-NC 4.0)."""

from typing import Any

from llve_jax.models.zero_dce import ZeroDCE
from llve_jax.zoo.renaming import TORCH_KERNEL, VECTOR, Layout, Tensors, rename


def convert(
  tensors: Tensors, module: ZeroDCE | None = None, *, source: str = "weights"
) -> dict[str, Any]:
  """Variables of `module` from the tensors of a .pth file.

  Raises:
    UserError: another architecture; names the first mismatches.
  """
  names: dict[str, tuple[str, Layout]] = {}
  for index in range(7):
    ours, theirs = f"params/curves/conv_{index}", f"e_conv{index + 1}"
    names[f"{ours}/kernel"] = (f"{theirs}.weight", TORCH_KERNEL)
    names[f"{ours}/bias"] = (f"{theirs}.bias", VECTOR)
  return rename(tensors, names, module or ZeroDCE(), source)
