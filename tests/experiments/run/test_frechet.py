"""The Frechet distance as a figure of an evaluation."""

import dataclasses

import numpy as np
import pytest

from experiments.run import frechet
from llve_jax.data.clips import EvalClip
from llve_jax.io.images import write_image
from llve_jax.metrics.frechet import fid_vgg16


def clip(name: str, frames: int, seed: int) -> EvalClip:
  # XLA convolves maps smaller than the kernel very slowly, and the network's last are a 16th.
  high = np.random.default_rng(seed).integers(0, 256, (frames, 48, 48, 3)).astype(np.uint8)
  return EvalClip(name, 0, 25.0, high // 4, high)


@pytest.mark.slow
def test_distances_are_those_of_the_frames_spread_over_each_clip() -> None:
  clips = [clip("a", 3, 0), clip("b", 20, 1)]
  distances = frechet.Distances()
  for each in clips:
    distances("input", each, each.low)
    distances("perfect", each, each.high)
  found = distances.distances()
  assert found["perfect"] == pytest.approx(0.0, abs=1e-6)
  shown = [range(3), np.linspace(0, 19, 8).round().astype(int)]
  low, high = (
    [getattr(each, part)[index] for each, kept in zip(clips, shown, strict=True) for index in kept]
    for part in ("low", "high")
  )
  assert found["input"] == pytest.approx(fid_vgg16(low, high), rel=1e-6)
  assert found["input"] > 1


def test_targets_of_every_variant_count(monkeypatch) -> None:
  monkeypatch.setattr(frechet, "vgg16_means", lambda frames: frames.mean(axis=(1, 2)))
  distances = frechet.Distances()
  for variant in range(2):
    each = dataclasses.replace(clip("a", 6, variant), variant=variant)
    for name, frames in (("first", each.low), ("perfect", each.high)):
      distances(name, each, frames)
  found = distances.distances()
  assert found["perfect"] == pytest.approx(0.0, abs=1e-6)
  assert found["first"] > 1


def test_folders(tmp_path) -> None:
  pictures = clip("a", 4, 0)
  for folder, frames in (("pred", pictures.low), ("target", pictures.high)):
    (tmp_path / folder).mkdir()
    for index, frame in enumerate(frames):
      write_image(tmp_path / folder / f"{index}.png", frame)
  found = frechet.of_folders(str(tmp_path / "pred"), str(tmp_path / "target"))
  assert found == pytest.approx(fid_vgg16(pictures.low, pictures.high), rel=1e-6)
