"""PyTorch's networks with a memory for `experiments.benchmarks.train_step`; see `torch_rivals`."""

import itertools
from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from experiments.benchmarks.torch_rivals import conv, conv_norm, leaky


class Residual(nn.Module):
  """Two convolutions added to their input."""

  def __init__(self, channels: int):
    super().__init__()
    self.first, self.second = conv(channels, channels), conv(channels, channels)

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    """Images [n, c, h, w] to images."""
    return x + self.second(leaky(self.first(x)))


class Fuse(nn.Module):
  """Blends features with their past, which is looked for within `reach` first."""

  def __init__(self, channels: int, reach: int):
    super().__init__()
    self.reach = reach
    self.gate = conv(3 * channels, channels)
    if reach:
      self.query, self.key = (conv(channels, channels // 4, 1, bias=False) for _ in range(2))

  def forward(self, past: torch.Tensor, now: torch.Tensor) -> torch.Tensor:
    """Images [n, c, h, w] to images."""
    if self.reach:
      past = self.align(now, past)
    trust = torch.sigmoid(self.gate(torch.cat([now, past, (now - past).abs()], 1)))
    return now + trust * (past - now)

  def around(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
    """Every neighbour, the image itself in the middle."""
    side, (height, width) = 2 * self.reach + 1, x.shape[2:]
    padded = F.pad(x, (self.reach,) * 4)
    for dy in range(side):
      for dx in range(side):
        yield padded[:, :, dy : dy + height, dx : dx + width]

  def align(self, now: torch.Tensor, past: torch.Tensor) -> torch.Tensor:
    """Attention over the window."""
    query, key = self.query(now), self.key(past)
    scores = torch.stack([(query * moved).sum(1) for moved in self.around(key)], 1)
    inside = torch.cat(list(self.around(torch.ones_like(past[:1, :1]))), 1) > 0
    here = torch.zeros_like(scores[:1, :, :1, :1])
    here[:, here.shape[1] // 2] = 2.0
    scores = torch.where(inside, scores * query.shape[1] ** -0.5 + here, -1e9)
    weights = torch.softmax(scores, 1)
    return sum(weights[:, k : k + 1] * moved for k, moved in enumerate(self.around(past)))


class RecurrentUNet(nn.Module):
  """Our network with a memory."""

  def __init__(self, widths: tuple[int, ...] = (16, 32, 64), blocks: tuple[int, ...] = (1, 2, 2)):
    super().__init__()
    last = len(widths) - 1
    self.down = nn.ModuleList(
      conv(before, after, 3, 2 if level else 1)
      for level, (before, after) in enumerate(zip((12, *widths), widths, strict=False))
    )
    self.encoder = nn.ModuleList(
      nn.Sequential(*(Residual(width) for _ in range(count)))
      for width, count in zip(widths, blocks, strict=True)
    )
    self.fuse = nn.ModuleList(
      Fuse(width, 2 * (level == last)) for level, width in enumerate(widths)
    )
    self.up = nn.ModuleList(conv(b, a, 1) for a, b in itertools.pairwise(widths))
    self.merge = nn.ModuleList(conv(width, width) for width in widths[:-1])
    self.decoder = nn.ModuleList(Residual(width) for width in widths[:-1])
    self.gain = conv(widths[-1], 3, 1)
    self.correction, self.steady = conv(widths[0], 12), conv(widths[0], 8)

  def forward(self, clip: torch.Tensor) -> torch.Tensor:
    """Clips to clips, not clipped."""
    frames, levels = clip.flatten(0, 1), []
    x = F.pixel_unshuffle(frames, 2)
    for down, encoder, fuse in zip(self.down, self.encoder, self.fuse, strict=True):
      steps = encoder(leaky(down(x))).unflatten(0, clip.shape[:2])
      past, blended = steps[:, 0], []
      for now in steps.unbind(1):
        past = fuse(past, now)
        blended.append(past)
      x = torch.stack(blended, 1).flatten(0, 1)
      levels.append(x)
    gain = self.gain(x)
    rising = list(zip(self.up, self.merge, self.decoder, levels[:-1], strict=True))
    for up, merge, decoder, skip in reversed(rising):
      x = F.interpolate(up(x), scale_factor=2, mode="bilinear")
      x = decoder(leaky(merge(x + skip)))
      gain = F.interpolate(gain, scale_factor=2, mode="bilinear")
    gain = F.interpolate(gain, scale_factor=2, mode="bilinear")
    control = F.pixel_shuffle(self.steady(x), 2).unflatten(0, clip.shape[:2])
    frames = self.settle(clip, control).flatten(0, 1)
    gain = 1.0 + F.softplus(gain + 1.0)
    curve = frames * gain / (1.0 + (gain - 1.0) * frames)
    out = curve + self.fade(frames) * F.pixel_shuffle(self.correction(x), 2)
    return out.unflatten(0, clip.shape[:2])

  def settle(self, clip: torch.Tensor, control: torch.Tensor) -> torch.Tensor:
    """Averages pixels with their past where nothing changes."""
    longer, sensitive = 1.0 + control[:, :, :1], 60.0 * F.softplus(control[:, :, 1:] + 0.54)
    past, settled = clip[:, 0], []
    for time_ in range(clip.shape[1]):
      now = clip[:, time_]
      change = F.avg_pool2d(now - past, 3, 1, 1).abs().mean(1, keepdim=True)
      kept = self.fade(now) * torch.sigmoid(longer[:, time_] - sensitive[:, time_] * change)
      past = now + kept * (past - now)
      settled.append(past)
    return torch.stack(settled, 1)

  def fade(self, frames: torch.Tensor) -> torch.Tensor:
    """0 where the brightest colour is clipped."""
    return ((1.0 - frames.amax(1, keepdim=True)) / 0.1).clamp(0.0, 1.0)


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
