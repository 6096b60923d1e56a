"""What a run was asked to do; kept beside its output, so that two ways of doing it never mix."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing
from llve_jax.prepare.crop import GRIDS

FILE = "settings.json"
MODES = ("turntable", "beam_splitter", "static")
MATCHES = ("path", "argmax")
DENOISERS = ("recursive", "none")
ON_ERROR = ("fail", "skip")
_MAY_CHANGE = ("on_error",)  # a scene that is complete does not depend on it


@dataclasses.dataclass(frozen=True)
class Settings:
  """Every parameter of a run; lengths in pixels unless said otherwise.

  Attributes:
    mode: kind of shoot, one of `MODES`.
    min_mean: lowest mean grey, 0..255, of a dark clip (turntable only).
    min_sharpness: lowest sharpness of a still, as a part of the scene's median.
    match: `path` keeps the order of the stills, `argmax` is what the report did.
    min_step: frames from one still to the next, at least (`path` only).
    min_correlation: lowest correlation of a still with its frame.
    match_height: rows of the small pictures that are matched.
    match_blur: standard deviation of the blur before they are equalised.
    register_height: pictures with more rows are shrunk to this many to find the shift.
    register_blur: as `match_blur`, for those.
    max_shift: largest shift along an axis, as a part of the frame's width.
    crops: a name in `llve_jax.prepare.crop.GRIDS`.
    size: side of a crop.
    max_offset: most frames by which two cameras may be apart (beam splitter only).
    denoise: over time, one of `DENOISERS` (static only).
    ratio: exposure ratio, long / short; 0 takes it from the files (static only).
    on_error: `fail` stops at a file that cannot be used, `skip` lists it as rejected.
  """

  mode: str = "turntable"
  min_mean: float = 20.0
  min_sharpness: float = 0.25
  match: str = "path"
  min_step: int = 0
  min_correlation: float = 0.3
  match_height: int = 180
  match_blur: float = 1.0
  register_height: int = 720
  register_blur: float = 1.0
  max_shift: float = 0.03
  crops: str = "cover"
  size: int = 512
  max_offset: int = 15
  denoise: str = "recursive"
  ratio: float = 0.0
  on_error: str = "fail"

  def check(self) -> None:
    """Raises UserError for a value that makes no sense."""
    named = {"mode": MODES, "match": MATCHES, "crops": tuple(GRIDS), "denoise": DENOISERS}
    for name, known in {**named, "on_error": ON_ERROR}.items():
      if getattr(self, name) not in known:
        raise UserError(f"--{name}={getattr(self, name)}: expected one of {', '.join(known)}")
    for name, least in {"match_height": 16, "register_height": 16, "size": 1}.items():
      if getattr(self, name) < least:
        raise UserError(f"--{name}={getattr(self, name)}: expected at least {least}")
    for name in ("min_mean", "min_sharpness", "min_step", "match_blur", "register_blur", "ratio"):
      if not getattr(self, name) >= 0:
        raise UserError(f"--{name}={getattr(self, name)}: expected 0 or more")
    if not -1 <= self.min_correlation <= 1:
      raise UserError(f"--min_correlation={self.min_correlation}: expected a number from -1 to 1")
    if not 0 < self.max_shift <= 0.5:
      raise UserError(
        f"--max_shift={self.max_shift}: expected a part of the frame's width, above 0 up to 0.5"
      )
    if self.max_offset < 0:
      raise UserError(f"--max_offset={self.max_offset}: expected 0 frames or more")


def save(settings: Settings, shoot: Path, out: Path) -> None:
  """Writes `out`/settings.json."""
  with replacing(out / FILE) as temporary:
    temporary.write_text(json.dumps(_told(settings, shoot), indent=2, sort_keys=True) + "\n")


def differences(settings: Settings, shoot: Path, out: Path) -> list[str]:
  """What `out` was made with that is asked otherwise now, as `name: was -> is`; or nothing.

  Raises:
    UserError: the file there cannot be read.
  """
  path = out / FILE
  try:
    before = json.loads(path.read_text())
    items = dict(before)
  except (OSError, ValueError, TypeError) as error:
    raise UserError(
      f"{path}: expected the settings of an earlier run, found a file that cannot be read "
      f"({error}); give another --out, or --overwrite"
    ) from error
  now = _told(settings, shoot)
  names = sorted((items.keys() | now.keys()) - set(_MAY_CHANGE))
  return [
    f"{name}: {items.get(name)} -> {now.get(name)}"
    for name in names
    if items.get(name) != now.get(name)
  ]


def _told(settings: Settings, shoot: Path) -> dict[str, Any]:
  return {"shoot": str(shoot.resolve()), **dataclasses.asdict(settings)}
