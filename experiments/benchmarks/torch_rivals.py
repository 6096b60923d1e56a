"""PyTorch's side of `experiments.benchmarks.train_step`: our networks, written as one does there.

Networks take clips [b, t, c, h, w] whose memory lies channels last, return clips, and have as many
parameters as ours of the same name. Those with a memory are in `torch_recurrent` and
`torch_conv_lstm`.
"""

import itertools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn


def leaky(x: torch.Tensor) -> torch.Tensor:
  """The slope of all our networks."""
  return F.leaky_relu(x, 0.2)


def conv(before: int, after: int, side: int = 3, stride: int = 1, **kwargs: Any) -> nn.Conv2d:
  """A convolution that keeps the size, or divides it by the stride."""
  return nn.Conv2d(before, after, side, stride, side // 2, **kwargs)


def conv_norm(
  before: int, after: int, side: int = 3, stride: int = 1, groups: int = 1
) -> nn.Module:
  """Without bias, and normalised."""
  return nn.Sequential(
    conv(before, after, side, stride, bias=False, groups=groups), nn.BatchNorm2d(after)
  )


class Pair(nn.Module):
  """Two convolutions, each followed by a leaky ReLU."""

  def __init__(self, before: int, after: int, make: Callable[..., nn.Module] = conv):
    super().__init__()
    self.first, self.second = make(before, after), make(after, after)

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    """Images [n, c, h, w] to images."""
    return leaky(self.second(leaky(self.first(x))))


class SidUNet(nn.Module):
  """Learning to See in the Dark, Bayer."""

  def __init__(self, widths: tuple[int, ...] = (32, 64, 128, 256, 512)):
    super().__init__()
    self.encoder = nn.ModuleList(map(Pair, (4, *widths), widths))
    self.grow = nn.ModuleList(
      nn.ConvTranspose2d(coarse, fine, 2, 2, bias=False)
      for fine, coarse in itertools.pairwise(widths)
    )
    self.decoder = nn.ModuleList(Pair(2 * fine, fine) for fine in widths[:-1])
    self.head = conv(widths[0], 12, 1)

  def forward(self, clip: torch.Tensor) -> torch.Tensor:
    """Clips to clips, not clipped."""
    x, skips = clip.flatten(0, 1), []
    for level, pair in enumerate(self.encoder):
      if level:
        skips.append(x)
        x = F.max_pool2d(x, 2, ceil_mode=True)
      x = pair(x)
    for skip, double, pair in reversed(list(zip(skips, self.grow, self.decoder, strict=True))):
      x = pair(torch.cat([double(x), skip], 1))
    return F.pixel_shuffle(self.head(x), 2).unflatten(0, clip.shape[:2])


class ResNeXt(nn.Module):
  """1x1, grouped 3x3, 1x1, plus the input."""

  def __init__(self, channels: int, cardinality: int = 32):
    super().__init__()
    inner = max(cardinality, channels // 2)
    self.first = conv_norm(channels, inner, 1)
    self.grouped = conv_norm(inner, inner, 3, groups=cardinality)
    self.last = conv_norm(inner, channels, 1)

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    """Images [n, c, h, w] to images."""
    return leaky(x + self.last(leaky(self.grouped(leaky(self.first(x))))))


class Leaky(nn.Module):
  """The activation as a layer."""

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    """Images [n, c, h, w] to images."""
    return leaky(x)


class TurntableUNet(nn.Module):
  """System A's generator: skips added, ResNeXt blocks, bilinear decoder."""

  def __init__(self, widths: tuple[int, ...] = (32, 64, 128, 256), bottleneck: int = 512):
    super().__init__()

    def stage(before: int, after: int) -> nn.Module:
      return nn.Sequential(conv_norm(before, after), Leaky(), ResNeXt(after))

    self.encoder = nn.ModuleList(map(stage, (3, *widths), (*widths, bottleneck)))
    self.grow = nn.ModuleList(map(conv_norm, (*widths[1:], bottleneck), widths))
    self.decoder = nn.ModuleList(stage(width, width) for width in widths)
    self.head = conv(widths[0], 3, 1)

  def forward(self, clip: torch.Tensor) -> torch.Tensor:
    """Clips to clips, not clipped."""
    x, skips = clip.flatten(0, 1), []
    for stage in self.encoder[:-1]:
      skips.append(stage(x))
      x = F.max_pool2d(skips[-1], 2)
    x = self.encoder[-1](x)
    for skip, double, stage in reversed(list(zip(skips, self.grow, self.decoder, strict=True))):
      x = F.interpolate(x, scale_factor=2, mode="bilinear")
      x = stage(leaky(double(x)) + skip)
    return self.head(x).unflatten(0, clip.shape[:2])


class UNet3D(nn.Module):
  """System C's plain network."""

  def __init__(self, depth: int = 3, base: int = 32):
    super().__init__()

    def conv3d(before: int, after: int) -> nn.Module:
      return nn.Conv3d(before, after, 3, padding=1)

    widths = [base * 2**level for level in range(depth + 1)]
    self.encoder = nn.ModuleList(
      Pair(b, a, conv3d) for b, a in zip([4, *widths], widths, strict=False)
    )
    self.grow = nn.ModuleList(
      nn.ConvTranspose3d(b, a, (1, 2, 2), (1, 2, 2), bias=False)
      for a, b in itertools.pairwise(widths)
    )
    self.decoder = nn.ModuleList(Pair(2 * width, width, conv3d) for width in widths[:-1])
    self.head = nn.Conv3d(base, 12, 1)

  def forward(self, clip: torch.Tensor) -> torch.Tensor:
    """Clips to clips, not clipped."""
    x, skips = clip.transpose(1, 2), []
    for stage in self.encoder[:-1]:
      skips.append(stage(x))
      x = F.max_pool3d(skips[-1], (1, 2, 2))
    x = self.encoder[-1](x)
    for skip, double, stage in reversed(list(zip(skips, self.grow, self.decoder, strict=True))):
      x = stage(torch.cat([double(x), skip], 1))
    return F.pixel_shuffle(self.head(x).transpose(1, 2), 2)
