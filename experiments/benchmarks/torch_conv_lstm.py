"""PyTorch's ResNet-18, MFF and ConvLSTM for `train_step`; see `torch_rivals`."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from experiments.benchmarks.torch_rivals import conv, conv_norm


class BasicBlock(nn.Module):
  """ResNet's."""

  def __init__(self, before: int, after: int, stride: int):
    super().__init__()
    self.first = conv_norm(before, after, 3, stride)
    self.second = conv_norm(after, after)
    same = stride == 1 and before == after
    self.shortcut = nn.Identity() if same else conv_norm(before, after, 1, stride)

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    """Images [n, c, h, w] to images."""
    return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class UpProjection(nn.Module):
  """Enlarges, then a residual block."""

  def __init__(self, before: int, after: int, factor: int):
    super().__init__()
    self.factor = factor
    self.first, self.shortcut = (conv_norm(before, after, 5) for _ in range(2))
    self.second = conv_norm(after, after)

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    """Images [n, c, h, w] to images."""
    x = F.interpolate(x, scale_factor=self.factor, mode="bilinear", align_corners=True)
    return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class ConvLSTM(nn.Module):
  """System B's network as its report has it."""

  def __init__(self, width: int = 64, blocks: tuple[int, ...] = (2, 2, 2, 2)):
    super().__init__()
    self.cell = width // 4
    self.stem = conv_norm(3, width, 7, 2)
    widths = [width * 2**level for level in range(len(blocks))]
    self.encoder = nn.ModuleList(
      nn.Sequential(
        *(
          BasicBlock(after if index else before, after, 2 if level and not index else 1)
          for index in range(count)
        )
      )
      for level, (before, after, count) in enumerate(
        zip([width, *widths], widths, blocks, strict=False)
      )
    )
    self.enlarge = nn.ModuleList(
      UpProjection(after, self.cell, 2 ** (level + 1)) for level, after in enumerate(widths)
    )
    joined = self.cell * len(blocks)
    self.mix = conv_norm(joined, joined, 5)
    self.gates = conv(joined + self.cell, 3 * self.cell + width)
    both = self.cell + width
    self.refine = nn.Sequential(
      conv_norm(both, both, 5), nn.ReLU(), conv_norm(both, both, 5), nn.ReLU()
    )
    self.head, self.hidden = conv(both, 12, 5), conv(both, self.cell)

  def forward(self, clip: torch.Tensor) -> torch.Tensor:
    """Clips to clips, not clipped."""
    x = F.max_pool2d(F.relu(self.stem(clip.flatten(0, 1))), 3, 2, 1)
    parts = []
    for level, enlarge in zip(self.encoder, self.enlarge, strict=True):
      x = level(x)
      parts.append(enlarge(x))
    maps = F.relu(self.mix(torch.cat(parts, 1))).unflatten(0, clip.shape[:2])
    hidden = cell = torch.zeros_like(maps[:, 0, : self.cell])
    out = []
    for now in maps.unbind(1):
      gates = self.gates(torch.cat([now, hidden], 1))
      forget, take, new, shown = gates.split([self.cell] * 3 + [gates.shape[1] - 3 * self.cell], 1)
      cell = torch.sigmoid(forget) * cell + torch.sigmoid(take) * torch.tanh(new)
      x = self.refine(torch.cat([cell, torch.sigmoid(shown)], 1))
      hidden = self.hidden(x)
      out.append(self.head(x))
    return F.pixel_shuffle(torch.stack(out, 1), 2)
