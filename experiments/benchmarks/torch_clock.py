"""Times PyTorch's networks on request, for `experiments.benchmarks.train_step`.

A process of its own, so that it can run with another Python than ours: it needs PyTorch alone. Each
line of its input is a request in JSON, each line of its output the answer:

  {"make": "sid_unet", "shape": [1, 1, 64, 64, 4], "compiled": false}
  -> {"parameters": 7760268, "seconds": 0.5}, of the first step, which compiles
  {"run": "step"}
  -> {"seconds": 0.1}, of what was made last
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from experiments.benchmarks.torch_conv_lstm import ConvLSTM
from experiments.benchmarks.torch_recurrent import RecurrentUNet
from experiments.benchmarks.torch_rivals import SidUNet, TurntableUNet, UNet3D

NETWORKS: dict[str, Callable[[], nn.Module]] = {
  "sid_unet": SidUNet,
  "turntable_unet": TurntableUNet,
  "recurrent_unet": RecurrentUNet,
  "unet3d": UNet3D,
  "conv_lstm": ConvLSTM,
}


class Rival:
  """A network in training.

  Attributes:
    parameters: how many there are.
  """

  def __init__(self, name: str, shape: list[int], *, compiled: bool):
    self._device = "cuda" if torch.cuda.is_available() else "cpu"
    network = NETWORKS[name]().to(self._device)
    # Clips [b, t, h, w, c] in memory, shown as [b, t, c, h, w]: channels last.
    self._clip = torch.rand(shape, device=self._device).movedim(-1, 2)
    three_d = self._clip.transpose(1, 2).is_contiguous(memory_format=torch.channels_last_3d)
    form = torch.channels_last_3d if name == "unet3d" and three_d else torch.channels_last
    for parameter in network.parameters():
      if parameter.ndim == (5 if form is torch.channels_last_3d else 4):
        parameter.data = parameter.data.contiguous(memory_format=form)
    self.parameters = sum(parameter.numel() for parameter in network.parameters())
    with torch.no_grad():
      self._target = torch.rand_like(network(self._clip))
    self._optimizer = torch.optim.Adam(network.parameters(), 1e-4, fused=True)
    self._network = network
    self._apply = torch.compile(network) if compiled else network

  def forward(self) -> None:
    """As a network is used: no gradients, stored statistics."""
    self._network.eval()
    with torch.no_grad():
      self._apply(self._clip)

  def gradient(self) -> None:
    """Of the mean absolute error."""
    self._network.train()
    self._optimizer.zero_grad()
    (self._apply(self._clip) - self._target).abs().mean().backward()

  def step(self) -> None:
    """The gradient, and Adam."""
    self.gradient()
    self._optimizer.step()

  def seconds(self, what: str) -> float:
    """Runs one of the above."""
    start = time.perf_counter()
    getattr(self, what)()
    if self._device == "cuda":
      torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
  """Answers until its input ends."""
  rival: Rival | None = None
  for line in sys.stdin:
    request: dict[str, Any] = json.loads(line)
    try:
      if "make" in request:
        rival = None  # its memory is free before the next is made
        rival = Rival(request["make"], request["shape"], compiled=request["compiled"])
        answer: dict[str, Any] = {
          "parameters": rival.parameters,
          "seconds": rival.seconds("step"),  # compiles
        }
      else:
        assert rival is not None, "nothing was made"
        answer = {"seconds": rival.seconds(request["run"])}
    except Exception as error:  # whatever PyTorch's compiler cannot do
      answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
  main()
