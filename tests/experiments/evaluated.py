"""What `experiments.evaluate` scores in its tests: folders, a network, clips."""

from pathlib import Path

import cv2
import numpy as np

from llve_jax.data import clips as data_clips
from tests.methods.networks import of_function


def write_images(folder: Path, names: list[str], seed: int) -> list[np.ndarray]:
  folder.mkdir()
  random = np.random.default_rng(seed)
  images = random.integers(0, 256, (len(names), 24, 32, 3)).astype(np.uint8)
  for name, image in zip(names, images, strict=True):
    cv2.imwrite(str(folder / f"{name}.png"), image[..., ::-1])
  return list(images)


def stub_net():
  """A trained network that happens to know how dark the clips are."""
  network, _ = of_function(lambda clip: clip * 4.0)
  network.name, network.origin = "stub_net", {"config": "stub", "step": 7}
  return network


def make_clips() -> list[data_clips.EvalClip]:
  clips = []
  for variant in range(2):
    rows, columns = np.mgrid[0:32, 0:48]
    moving = [
      np.stack([100 + 50 * np.sin((rows + t) / 5 + k) * np.cos(columns / 7) for k in range(3)], -1)
      for t in range(5 + variant)
    ]
    high = np.stack(moving).astype(np.uint8)
    clips.append(data_clips.EvalClip("bikes", variant, 12.0, high // 4, high))
  return clips
