"""ImageNet weights for System B's encoder: PyTorch, torchvision's resnet18 (BSD-3-Clause).

Any file in which torchvision's names stand will do, such as resnet18-f37072fd.pth from
download.pytorch.org, read by `llve_jax.io.torch_weights.read_tensors`.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import traverse_util

from llve_jax.errors import UserError
from llve_jax.models.resnet_encoder import ResNetEncoder
from llve_jax.zoo.renaming import TORCH_KERNEL, VECTOR, Layout, Tensors, rename_to

_NORM = {
  "params": {"scale": "weight", "bias": "bias"},
  "batch_stats": {"mean": "running_mean", "var": "running_var"},
}


def convert(
  tensors: Tensors, encoder: ResNetEncoder | None = None, *, source: str = "weights"
) -> dict[str, Any]:
  """Variables of the encoder, float32, from torchvision's state dict.

  The classifier `fc` and the counters `num_batches_tracked` are left out, there or not.

  Args:
    tensors: kernels [out, in, height, width] and vectors by torchvision's names.
    encoder: what the weights are for; ResNet-18 by default.
    source: the file, for the message.

  Raises:
    UserError: another architecture; names the first mismatches.
  """
  encoder = encoder or ResNetEncoder()
  side = 2 ** (len(encoder.blocks) + 1)
  shapes = jax.eval_shape(
    partial(encoder.init, train=False), jax.random.key(0), jnp.zeros((1, side, side, 3))
  )
  kept = {
    name: tensor
    for name, tensor in tensors.items()
    if not name.startswith("fc.") and not name.endswith(".num_batches_tracked")
  }
  return rename_to(shapes, kept, _names(encoder.blocks), source)


def with_encoder(variables: dict[str, Any], encoder: dict[str, Any]) -> dict[str, Any]:
  """Variables of a "conv_lstm" or "cnn3d" with the encoder that `convert` returned.

  Raises:
    UserError: a network without that encoder, or with one of other widths or depth.
  """
  flat = traverse_util.flatten_dict(variables, sep="/")
  placed = {}
  for name, value in traverse_util.flatten_dict(encoder, sep="/").items():
    kind, _, rest = name.partition("/")
    placed[f"{kind}/features/encoder/{rest}"] = jnp.asarray(value)
  here = {name: leaf.shape for name, leaf in flat.items() if "/features/encoder/" in name}
  there = {name: leaf.shape for name, leaf in placed.items()}
  wrong = sorted(name for name in here | there if here.get(name) != there.get(name))
  if wrong:
    name = wrong[0]
    raise UserError(
      f"the network's encoder is not the one of these weights: {name} is "
      f"{here.get(name, 'missing')} in the network and {there.get(name, 'missing')} in the weights "
      f"({len(wrong)} such); build the network with the same width and blocks"
    )
  return traverse_util.unflatten_dict({**flat, **placed}, sep="/")


def _names(blocks: Sequence[int]) -> dict[str, tuple[str, Layout]]:
  """Our name of each variable -> torchvision's, and its layout there."""
  layers = {"stem": ("conv1", "bn1")}
  for level, count in enumerate(blocks):
    for index in range(count):
      ours, theirs = f"level_{level}_{index}", f"layer{level + 1}.{index}"
      layers[f"{ours}/first"] = (f"{theirs}.conv1", f"{theirs}.bn1")
      layers[f"{ours}/second"] = (f"{theirs}.conv2", f"{theirs}.bn2")
      if level and not index:
        layers[f"{ours}/shortcut"] = (f"{theirs}.downsample.0", f"{theirs}.downsample.1")
  names = {}
  for ours, (conv, norm) in layers.items():
    names[f"params/{ours}/Conv_0/kernel"] = (f"{conv}.weight", TORCH_KERNEL)
    for kind, parts in _NORM.items():
      for part, theirs in parts.items():
        names[f"{kind}/{ours}/BatchNorm_0/{part}"] = (f"{norm}.{theirs}", VECTOR)
  return names
