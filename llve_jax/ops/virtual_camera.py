"""Film a photograph: pan, zoom, roll and shake over it, with pieces that move before it.

A network that remembers needs clips; photographs are sharper, more varied and easier to come by
than films. Lengths are pixels of the film, speeds pixels per frame.
"""

import dataclasses
import math

import cv2
import numpy as np
from jaxtyping import Float

from llve_jax.errors import UserError
from llve_jax.shapes import Frame8, Frames8


@dataclasses.dataclass(frozen=True)
class Moves:
  """How a camera may move.

  Attributes:
    still: probability of a tripod: nothing moves.
    pan: largest speed of the camera.
    shake: largest deviation of its tremor.
    zoom: largest change of size over the film, a share.
    roll: largest turn over the film, in degrees.
    piece: probability of a piece of the photograph that moves before it, as things nearer do.
    piece_speed: its largest speed against the camera's.
    closest: smallest share of the photograph that the film shows, on each side.
  """

  still: float = 0.2
  pan: float = 4.0
  shake: float = 1.0
  zoom: float = 0.08
  roll: float = 2.0
  piece: float = 0.5
  piece_speed: float = 5.0
  closest: float = 0.5


def film(
  photo: Frame8,
  rng: np.random.Generator,
  *,
  frames: int,
  size: tuple[int, int],
  moves: Moves | None = None,
) -> Frames8:
  """Films a photograph.

  It is shrunk by area averaging before the camera moves over it, so that nothing aliases, and never
  enlarged by more than zooming in.

  Args:
    photo: sRGB, at least as large as the film.
    rng: source of randomness.
    frames: how many.
    size: (height, width) of the film.
    moves: of the camera; None is `Moves()`.

  Raises:
    UserError: the photograph is smaller than the film.
  """
  moves = moves or Moves()
  least = max(size[0] / photo.shape[0], size[1] / photo.shape[1])
  if least > 1:
    raise UserError(
      f"expected a photograph of at least {size[1]}x{size[0]} pixels, found "
      f"{photo.shape[1]}x{photo.shape[0]}"
    )
  share = rng.uniform(max(least, min(moves.closest, 1.0)), 1.0)
  scaled = _shrunk(photo, least / share)
  still = rng.random() < moves.still
  if still:
    moves = dataclasses.replace(moves, pan=0, shake=0, zoom=0, roll=0, piece_speed=0)
  path = _path(rng, frames, moves, size, scaled.shape[:2])
  with_piece = rng.random() < moves.piece
  piece = _piece(scaled, rng, size) if with_piece else None
  start = rng.uniform(0.2, 0.8, 2) * size[::-1]
  velocity = rng.uniform(-1, 1, 2) * moves.piece_speed
  shots = []
  for index in range(frames):
    shot = cv2.warpAffine(
      scaled, path[index], size[::-1], flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
      borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip
    if piece is not None:
      shot = _before(shot, *piece, start + index * velocity)
    shots.append(shot)
  return np.stack(shots)


def _shrunk(photo: Frame8, scale: float) -> Frame8:
  size = [max(1, math.ceil(side * scale - 1e-6)) for side in photo.shape[:2]]
  return np.asarray(cv2.resize(photo, size[::-1], interpolation=cv2.INTER_AREA))


def _path(
  rng: np.random.Generator,
  frames: int,
  moves: Moves,
  size: tuple[int, int],
  inside: tuple[int, int],
) -> Float[np.ndarray, "t 2 3"]:
  """For each frame the map from places in the film to places in the photograph."""
  time = np.arange(frames) / max(1, frames - 1) - 0.5
  room = np.maximum(np.array(inside[::-1], float) - size[::-1], 0)
  speed, direction = moves.pan * rng.uniform(), rng.uniform(0, 2 * np.pi)
  way = speed * (frames - 1) * np.array([np.cos(direction), np.sin(direction)])
  way = np.clip(way, -room, room)
  middle = np.array(inside[::-1]) / 2 + rng.uniform(-1, 1, 2) * (room - np.abs(way)) / 2
  centers = middle + time[:, None] * way + _tremor(rng, frames, moves.shake * rng.uniform())
  zooms = np.exp(time * rng.uniform(-moves.zoom, moves.zoom))
  angles = np.radians(time * rng.uniform(-moves.roll, moves.roll))
  maps = np.empty((frames, 2, 3))
  half = (np.array(size[::-1]) - 1) / 2
  for index in range(frames):
    cosine, sine = zooms[index] * np.cos(angles[index]), zooms[index] * np.sin(angles[index])
    turn = np.array([[cosine, -sine], [sine, cosine]])
    maps[index, :, :2] = turn
    maps[index, :, 2] = centers[index] - 0.5 - turn @ half
  return maps


def _tremor(rng: np.random.Generator, frames: int, deviation: float) -> Float[np.ndarray, "t 2"]:
  """A hand that trembles: what is left of the last offset, and a new one."""
  offsets = np.zeros((frames, 2))
  for index in range(1, frames):
    offsets[index] = 0.7 * offsets[index - 1] + 0.7 * deviation * rng.standard_normal(2)
  return offsets


def _piece(
  scaled: Frame8, rng: np.random.Generator, size: tuple[int, int]
) -> tuple[Frame8, Float[np.ndarray, "h w 1"]]:
  """A part of the photograph, and how much of it is there: a blob with soft edges."""
  side = round(min(size) * rng.uniform(0.2, 0.5))
  top, left = (int(rng.integers(max(1, length - side))) for length in scaled.shape[:2])
  part = scaled[top : top + side, left : left + side]
  height, width = part.shape[:2]
  y, x = (np.linspace(-1, 1, length, dtype=np.float32) for length in (height, width))
  bumps = cv2.resize(rng.uniform(-0.4, 0.4, (5, 5)).astype(np.float32), (width, height))
  inside = np.hypot(x[None], y[:, None]) + bumps < 0.7
  soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.8)
  soft[[0, -1]] = soft[:, [0, -1]] = 0
  return part, soft[..., None]


def _before(
  shot: Frame8, part: Frame8, cover: Float[np.ndarray, "h w 1"], center: Float[np.ndarray, "2"]
) -> Frame8:
  """Lays a piece over a frame, its middle at `center` (x, y)."""
  height, width = part.shape[:2]
  shift = center - (width / 2, height / 2)
  move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
  size = shot.shape[1::-1]
  moved = cv2.warpAffine(part, move, size, flags=cv2.INTER_LINEAR)
  there = cv2.warpAffine(cover, move, size, flags=cv2.INTER_LINEAR)[..., None]
  return np.round(shot * (1 - there) + moved * there).astype(np.uint8)
