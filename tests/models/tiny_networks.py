"""Every network of MODELS, narrow enough to compile in seconds, and clips for it."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import pytest

from llve_jax import models
from llve_jax.models.contract import Traits

# Narrow enough to compile in seconds; several entries for networks that take several forms.
_UNET = {"widths": (4, 8), "bottleneck": 8, "cardinality": 2}
_RESNET = {"width": 8, "blocks": (1, 1)}
_ATTENTION = {"widths": (4,), "bottleneck": 8, "deviation": 0.3}
_DEBLUR = {"features": 4, "blocks": 2, "dropout": 0.0}
TINY: dict[str, tuple[dict[str, Any], ...]] = {
  "attention_unet": (
    _ATTENTION,
    {**_ATTENTION, "widths": (4, 8), "align_corners": False},
    {**_ATTENTION, "align_corners": False, "half_resolution": "residual"},
    {**_ATTENTION, "half_resolution": "released", "centred_padding": True},
  ),
  "deblur_gan": (_DEBLUR, {**_DEBLUR, "one_conv_blocks": True, "learn_residual": False}),
  "cnn3d": ({**_RESNET, "widths": (6, 4), "align_corners": False},),
  "conv_lstm": (
    {**_RESNET, "align_corners": False},
    {"width": 8, "blocks": (1,), "form": "released"},
  ),
  "kpn": (
    {"widths": (4, 6, 8), "burst": 3, "kernel": 3},
    {"widths": (4, 6, 8), "burst": 4, "kernel": 3, "color": False, "form": "google"},
  ),
  "mbllen": ({"features": 8, "depth": 2, "width": 4},),
  "mbllven": (
    {"features": 5, "branches": 2, "encoder": (4, 4), "decoder": (3,)},
    {"features": 4, "branches": 1, "encoder": (3, 4, 4), "decoder": (4, 3), "temporal": "conv3d"},
  ),
  "recurrent_unet": (
    {"widths": (4, 6), "blocks": (1, 1), "decoder_blocks": (1,), "code": 8},
    {"widths": (4, 4, 6), "blocks": (0, 0, 1), "decoder_blocks": (0, 0), "code": 8, "reach": 2},
  ),
  "sci": ({"deviation": 0.3}, {"features": 4, "blocks": 2, "deviation": 0.3}),
  "sid_unet": ({"widths": (4, 6, 8)}, {"widths": (4, 6, 8), "input_kind": "xtrans"}),
  "smid_resunet": (
    {"widths": (4, 6, 8), "blocks": 1},
    {"widths": (4, 6, 8), "blocks": 2, "input_kind": "bayer"},
  ),
  "turntable_unet": (
    _UNET,
    {**_UNET, "resnext": False, "bilinear": False, "global_residual": True},
  ),
  "unpool_unet": ({"widths": (4, 8), "bottleneck": 8},),
  "unet3d": (
    {"depth": 2, "base": 3, "upsample": "resize"},
    {"depth": 1, "base": 4, "variant": "residual"},
    {"depth": 1, "base": 4, "variant": "bottleneck_residual", "blocks": 1, "temporal": "conv3d"},
  ),
  "zero_dce": ({"features": 4, "iterations": 2, "deviation": 0.3},),
}
EVERY = [
  pytest.param(name, index, id=f"{name}-{index}")
  for name, forms in TINY.items()
  for index in range(len(forms))
]
# A network is traced anew for every size, which is what these tests take their time for: they share
# one, odd and of more frames than a window.
USUAL = (2, 5, 17, 23)


def clips(traits: Traits, *size: int, seed: int = 0) -> np.ndarray:
  """A random clip [b, t, h, w, c], or larger where the network needs more.

  One of the usual size has a frame in the middle with all that can see it on both sides.
  """
  batch, time, height, width = size
  time = max(time, traits.least_frames, middle_of(traits) * 2 + 1 if size == USUAL else 0)
  height, width = (max(side, traits.least_side) for side in (height, width))
  shape = (batch, time, height, width, traits.channels)
  return np.random.default_rng(seed).random(shape, dtype=np.float32)


def middle_of(traits: Traits) -> int:
  return max(traits.least_frames, traits.frames // 2 + 1)


@functools.cache
def network(name: str, index: int) -> tuple[nn.Module, Any, Callable[[Any, Any], jax.Array]]:
  """The module, variables that all differ from their defaults, and how to apply it."""
  module = models.build(name, **TINY[name][index])
  shapes = jax.eval_shape(module.init, jax.random.key(1), clips(module.traits, 1, 1, 8, 8))
  random = np.random.default_rng(1)

  def leaf(path: Any, shape: Any) -> np.ndarray:
    kind, normal = path[-1].key, random.normal(size=shape.shape).astype(np.float32)
    if kind == "kernel":
      return normal * np.float32(np.sqrt(2 / np.prod(shape.shape[:-1])))
    if kind in ("scale", "var"):
      return np.float32(1) + np.float32(0.5) * np.tanh(normal)
    return np.float32(0.1) * normal

  variables = jax.tree_util.tree_map_with_path(leaf, shapes)
  return module, variables, jax.jit(lambda v, x: module.apply(v, x)["clip"])
