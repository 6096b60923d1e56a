"""PyTorch's recurrent U-Net for `experiments.benchmarks.train_step`; see `torch_rivals`."""

import itertools
import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from experiments.benchmarks.torch_rivals import conv, leaky


class Residual(nn.Module):
  """Two convolutions added to their input."""

  def __init__(self, channels: int):
    super().__init__()
    self.first, self.second = conv(channels, channels), conv(channels, channels)

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    """Images [n, c, h, w] to images."""
    return x + self.second(leaky(self.first(x)))


class Fuse(nn.Module):
  """Blends features with their past, which is looked for within a position around first."""

  def __init__(self, channels: int):
    super().__init__()
    self.gate = conv(3 * channels, channels, 1)
    self.query, self.key = (conv(channels, channels // 4, 1, bias=False) for _ in range(2))

  def forward(self, past: torch.Tensor, now: torch.Tensor) -> torch.Tensor:
    """Images [n, c, h, w] to images."""
    query, key = self.query(now), self.key(past)
    scores = torch.stack([(query * moved).sum(1) for moved in around(key)], 1)
    inside = torch.cat(list(around(torch.ones_like(past[:1, :1]))), 1) > 0
    here = torch.zeros_like(scores[:1, :, :1, :1])
    here[:, here.shape[1] // 2] = 2.0
    scores = torch.where(inside, scores * query.shape[1] ** -0.5 + here, -1e9)
    weights = torch.softmax(scores, 1)
    past = sum(weights[:, k : k + 1] * moved for k, moved in enumerate(around(past)))
    trust = torch.sigmoid(self.gate(torch.cat([now, past, (now - past).abs()], 1)))
    return now + trust * (past - now)


def around(x: torch.Tensor) -> Iterator[torch.Tensor]:
  """Every neighbour, the image itself in the middle."""
  height, width = x.shape[2:]
  padded = F.pad(x, (1,) * 4)
  for dy in range(3):
    for dx in range(3):
      yield padded[:, :, dy : dy + height, dx : dx + width]


class FrameCode(nn.Module):
  """A small picture of the whole frame as a vector."""

  def __init__(self, features: int = 64, widths: tuple[int, ...] = (16, 24, 32, 48)):
    super().__init__()
    self.look = nn.ModuleList(conv(a, b, 3, 2) for a, b in itertools.pairwise((6, *widths)))
    self.gather = nn.Linear(47 + 2 * widths[-1], features)
    self.code = nn.Linear(features, features)

  def forward(self, context: torch.Tensor) -> torch.Tensor:
    """Pictures [n, 3, s, s] to [n, features]."""
    roots = (context + 1e-4).sqrt()
    x = torch.cat([context, roots], 1)
    for look in self.look:
      x = leaky(look(x))
    mean = context.mean((2, 3))
    seen = [mean, (mean + 1e-4).sqrt(), (mean + 1 / 255).log() / 4.0, roots.mean((2, 3))]
    seen.append(context.amax((2, 3)))
    centres = torch.linspace(0.0, 1.0, 16, device=x.device)
    for shade in (roots.amax(1), roots.amin(1)):
      apart = (shade.flatten(1)[..., None] - centres).abs() * 15
      seen.append(4.0 * (1.0 - apart).clamp(min=0.0).mean(1))
    seen += [x.mean((2, 3)), x.amax((2, 3))]
    return self.code(leaky(self.gather(torch.cat(seen, 1))))


class RecurrentUNet(nn.Module):
  """Our network with a memory."""

  def __init__(
    self,
    widths: tuple[int, ...] = (16, 32, 64),
    blocks: tuple[int, ...] = (0, 2, 3),
    decoder_blocks: tuple[int, ...] = (0, 1),
    code: int = 64,
  ):
    super().__init__()
    self.look, self.develop = FrameCode(code), nn.Linear(code, 18)
    self.down = nn.ModuleList(
      conv(before, after, 3, 2 if level else 1)
      for level, (before, after) in enumerate(zip((12, *widths), widths, strict=False))
    )
    self.told = nn.ModuleList(nn.Linear(code, width) for width in widths)
    self.encoder = _residuals(widths, blocks)
    self.fuse = Fuse(widths[-1])
    self.up = nn.ModuleList(conv(b, a, 1) for a, b in itertools.pairwise(widths))
    self.merge = nn.ModuleList(conv(width, width) for width in widths[:-1])
    self.decoder = _residuals(widths[:-1], decoder_blocks)
    self.last, self.maps = conv(widths[0] + 12, widths[0]), conv(widths[0], 13)

  def forward(self, clip: torch.Tensor) -> torch.Tensor:
    """Clips to clips, not clipped."""
    context = F.adaptive_avg_pool2d(clip.flatten(0, 1), 64)
    codes = self.look(context).unflatten(0, clip.shape[:2])
    smooth = [codes[:, 0]]
    for now in codes.unbind(1)[1:]:
      smooth.append(smooth[-1] + 0.1 * (now - smooth[-1]))
    code = leaky(torch.stack(smooth, 1).flatten(0, 1))
    parts = self.develop(code)
    settled = self.settle(
      F.pixel_unshuffle(clip.flatten(0, 1), 2).unflatten(0, clip.shape[:2]),
      (2.0 * torch.tanh(parts[:, 13:17])).unflatten(0, clip.shape[:2]),
    ).flatten(0, 1)
    settled = cored(settled)
    balanced, gain, mixture = self.curve(settled, parts, context)
    brightest = value(balanced)
    bright = bend(balanced, brightest, gain)
    x, levels = bright, []
    for down, told, encoder in zip(self.down, self.told, self.encoder, strict=True):
      x = encoder(leaky(down(x) + told(code)[:, :, None, None]))
      levels.append(x)
    past, blended = None, []
    for now in x.unflatten(0, clip.shape[:2]).unbind(1):
      past = self.fuse(now if past is None else past, now)
      blended.append(past)
    x = torch.stack(blended, 1).flatten(0, 1)
    rising = list(zip(self.up, self.merge, self.decoder, levels[:-1], strict=True))
    for up, merge, decoder, skip in reversed(rising):
      x = F.interpolate(up(x), scale_factor=2, mode="bilinear")
      x = decoder(leaky(merge(x + skip)))
    maps = self.maps(leaky(self.last(torch.cat([x, bright], 1))))
    local = torch.exp(2.0 * torch.tanh(0.5 * maps[:, 12:]))
    out = bend(balanced, brightest, gain * local).unflatten(1, (3, 4))
    out = torch.einsum("nikhw,nij->njkhw", out, mixture).flatten(1, 2)
    light = F.avg_pool2d(settled.clamp(min=0.0).mean(1, keepdim=True), 3, 1, 1)
    out = out + fade(settled) * (255.0 * light).clamp(max=1.0) * maps[:, :12]
    return F.pixel_shuffle(out, 2).unflatten(0, clip.shape[:2])

  def curve(
    self, settled: torch.Tensor, parts: torch.Tensor, context: torch.Tensor
  ) -> tuple[torch.Tensor, ...]:
    """Power and balance of each colour applied; gain and mixture to come."""
    exponent = torch.exp(0.7 * torch.tanh(parts[:, :3])).repeat_interleave(4, 1)[..., None, None]
    balance = torch.exp(1.2 * torch.tanh(parts[:, 3:6])).repeat_interleave(4, 1)[..., None, None]
    low, high = 0.02**exponent, 1.02**exponent

    def balanced(blocks: torch.Tensor) -> torch.Tensor:
      toned = ((blocks.clamp(min=0.0) + 0.02) ** exponent - low) / (high - low)
      return bend(toned, toned, balance)

    wanted = math.log(0.44 / 0.56) + 0.35 * torch.tanh(parts[:, 6:7])
    gain = log_gain(balanced(F.pixel_unshuffle(context, 2)), wanted)
    gain = (torch.sigmoid(3.0 - parts[:, 17:]) * gain).exp()
    others = 0.5 * torch.tanh(parts[:, 7:13])
    taken = torch.zeros(len(parts), 9, device=parts.device).index_copy(
      1, torch.tensor([1, 2, 3, 5, 6, 7], device=parts.device), others
    )
    taken = taken.unflatten(1, (3, 3))
    eye = torch.eye(3, device=parts.device)
    mixture = eye + taken - eye * taken.sum(1, keepdim=True)
    return balanced(settled), gain[..., None, None], mixture

  def settle(self, frames: torch.Tensor, control: torch.Tensor) -> torch.Tensor:
    """Averages blocks with their past where nothing changes."""
    past, settled = frames[:, 0], []
    count = torch.zeros_like(past[:, :1])
    for now, told in zip(frames.unbind(1), control.unbind(1), strict=True):
      patience, sensitive, floor, slope = told[:, :, None, None, None].unbind(1)
      change = F.avg_pool2d((now - past).unflatten(1, (3, 4)).mean(2), 3, 1, 1)
      light = F.avg_pool2d(now.mean(1, keepdim=True), 3, 1, 1)
      noise = 1e-5 * floor.exp() + 3e-4 * slope.exp() * light
      size = change.abs().mean(1, keepdim=True)
      size = size * (noise * (1.0 + 1.0 / count.clamp(min=1.0)) / 12.0).rsqrt()
      kept = count * torch.sigmoid(4.0 + patience - 2.0 * sensitive.exp() * size) * fade(now)
      past = now + kept / (kept + 1.0) * (past - now)
      count = (kept + 1.0).clamp(max=16.0)
      settled.append(past)
    return torch.stack(settled, 1)


def _residuals(widths: tuple[int, ...], counts: tuple[int, ...]) -> nn.ModuleList:
  return nn.ModuleList(
    nn.Sequential(*(Residual(width) for _ in range(count)))
    for width, count in zip(widths, counts, strict=True)
  )


def bend(blocks: torch.Tensor, value: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
  """A curve of slope `gain` at black."""
  return blocks * gain / (1.0 + (gain - 1.0) * value)


def value(blocks: torch.Tensor) -> torch.Tensor:
  """The brightest colour in the place of each; `pixel_unshuffle` has the colours first: [3, 4]."""
  return blocks.unflatten(1, (3, 4)).amax(1).repeat(1, 3, 1, 1)


def log_gain(blocks: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
  """By Newton's method, of which the last step alone is differentiated."""
  brightest = value(blocks)

  def step(log: torch.Tensor) -> torch.Tensor:
    gain = log.exp()[..., None, None]
    bent = bend(blocks, brightest, gain)
    mean = bent.mean((1, 2, 3))[:, None].clamp(1e-4, 1.0 - 1e-4)
    rise = (bent * (1.0 - brightest) / (1.0 + (gain - 1.0) * brightest)).mean((1, 2, 3))[:, None]
    slope = (rise / (mean * (1.0 - mean))).detach().clamp(min=0.2)
    return (log + (wanted - torch.logit(mean)) / slope).clamp(-1.25, 4.75)

  log = torch.zeros_like(wanted)
  with torch.no_grad():
    for _ in range(4):
      log = step(log)
  return step(log)


def cored(blocks: torch.Tensor) -> torch.Tensor:
  """Colours near grey made greyer."""
  mean = F.avg_pool2d(blocks.unflatten(1, (3, 4)).mean(2), 3, 1, 1)
  apart = (mean - mean.mean(1, keepdim=True)).square().sum(1, keepdim=True)
  grey = blocks.unflatten(1, (3, 4)).mean(1).repeat(1, 3, 1, 1)
  return grey + apart / (apart + (4 / 255) ** 2) * (blocks - grey)


def fade(blocks: torch.Tensor) -> torch.Tensor:
  """0 where the brightest colour is clipped."""
  return ((1.0 - blocks.amax(1, keepdim=True)) / 0.1).clamp(0.0, 1.0)
