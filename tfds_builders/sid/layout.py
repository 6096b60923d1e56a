"""Where the raw files of See-in-the-Dark lie, which pair, and which split each belongs to."""

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path

from llve_jax.errors import UserError
from llve_jax.ops.raw_light import exposure_ratio
from tfds_builders.base.scan import Clip, Scan, files_in, require_folder

_TREE = """
    MANUAL_DIR/
      {camera}/
        short/  IIIII_BB_Ts{suffix} ...    scene, burst index, exposure in seconds
        long/   IIIII_00_Ts{suffix} ...    one long exposure per scene
      {camera}_train_list.txt {camera}_val_list.txt {camera}_test_list.txt
          lines "./{camera}/short/NAME ./{camera}/long/NAME ISO200 F8"; without them every short
          exposure is paired with the long one of its scene, and the first digit says the split
"""
SUFFIXES = {"Sony": ".ARW", "Fuji": ".RAF"}
CAMERAS = {
  "sony": "Sony",
  "fuji": "Fuji",
  "sony_bursts": "Sony",
  "fuji_bursts": "Fuji",
  "sony_scenes": "Sony",
  "fuji_scenes": "Fuji",
  "srgb_darkest": "Sony",
}
CONFIGS = tuple(CAMERAS)

_LISTS = {"train": "train", "validation": "val", "test": "test"}
_SPLIT_OF_DIGIT = {"0": "train", "1": "test", "2": "validation"}
_NAME = re.compile(r"(?P<scene>\d{5})_(?P<burst>\d{2})_(?P<seconds>\d+(\.\d+)?)s\.\w+")


@dataclasses.dataclass(frozen=True)
class Shot:
  """A raw file and what its name says.

  Attributes:
    path: the file.
    scene: five digits; the first one says the split.
    burst: which of several equal exposures, from 0.
    seconds: exposure.
  """

  path: Path
  scene: str
  burst: int
  seconds: float


def tree(config: str) -> str:
  """The tree that a configuration expects."""
  camera = _camera(config)
  return _TREE.format(camera=camera, suffix=SUFFIXES[camera])


def parse(path: Path) -> Shot:
  """Reads scene, burst index and exposure from a file's name.

  Raises:
    UserError: the name is not of that form.
  """
  match = _NAME.fullmatch(path.name)
  if match is None or float(match["seconds"]) == 0 or match["scene"][0] not in _SPLIT_OF_DIGIT:
    raise UserError(
      f"{path}: expected a name such as 00001_00_0.04s{path.suffix}, found {path.name}"
    )
  return Shot(path, match["scene"], int(match["burst"]), float(match["seconds"]))


def scan(root: Path, config: str = "sony") -> Scan:
  """Groups the short exposures that share a target into clips.

  `sony` and `fuji`: every exposure of burst index 00 is a clip of one frame. `*_bursts`: every
  exposure time is a clip, its frames are the burst. `*_scenes`: every scene is a clip, its frames
  are its exposure times, burst index 00. `srgb_darkest`: the shortest exposure of each scene, burst
  index 00.
  """
  found = Scan()
  camera = _camera(config)
  folders = [root / camera / side for side in ("short", "long")]
  present = [require_folder(folder, tree(config), found) for folder in folders]
  if not all(present):
    return found
  for split, pairs in _pairs(root, camera, found).items():
    for clip in _clips(pairs, config):
      found.add(split, clip)
  return found


def _clips(pairs: Iterable[tuple[Shot, Shot]], config: str) -> list[Clip]:
  groups: dict[tuple[str, float], list[tuple[Shot, Shot]]] = {}
  scenes = config.endswith("_scenes")
  for short, long in pairs:
    if short.burst == 0 or config.endswith("_bursts"):
      key = (short.scene, 0.0 if scenes else short.seconds)
      groups.setdefault(key, []).append((short, long))
  if config == "srgb_darkest":
    darkest: dict[str, float] = {}
    for scene, seconds in groups:
      darkest[scene] = min(seconds, darkest.get(scene, seconds))
    groups = {key: group for key, group in groups.items() if darkest[key[0]] == key[1]}
  clips = []
  for (scene, seconds), group in sorted(groups.items()):
    shorts = sorted((short for short, _ in group), key=lambda shot: (shot.seconds, shot.burst))
    long = group[0][1]
    ratios = tuple(exposure_ratio(long.seconds, shot.seconds) for shot in shorts)
    facts = {"seconds": shorts[0].seconds, "ratios": ratios}
    name = scene if scenes else f"{scene}_{seconds:g}s"
    clips.append(Clip(name, tuple(shot.path for shot in shorts), (long.path,), facts))
  return clips


def _pairs(root: Path, camera: str, found: Scan) -> dict[str, list[tuple[Shot, Shot]]]:
  """Pairs of every split, from the list files or, without them, from the names."""
  lists = {split: root / f"{camera}_{name}_list.txt" for split, name in _LISTS.items()}
  there = {split: path for split, path in lists.items() if path.is_file()}
  if there:
    for split in lists.keys() - there.keys():
      found.report(
        "missing", lists[split], f"expected a list file beside {min(there.values()).name}"
      )
    return {split: _listed(root, path, split, found) for split, path in there.items()}
  shots: dict[str, list[Shot]] = {}
  for side in ("short", "long"):
    shots[side] = []
    for path in files_in(root / camera / side, (SUFFIXES[camera].lower(),), scan=found):
      try:
        shots[side].append(parse(path))
      except UserError as error:
        found.report("surplus", path, str(error).split(": ", 1)[1])
  targets: dict[str, Shot] = {}
  for shot in shots["long"]:
    targets.setdefault(shot.scene, shot)
  pairs: dict[str, list[tuple[Shot, Shot]]] = {}
  for shot in shots["short"]:
    if shot.scene in targets:
      pairs.setdefault(_SPLIT_OF_DIGIT[shot.scene[0]], []).append((shot, targets[shot.scene]))
    else:
      found.report(
        "unpaired", shot.path, f"expected a long exposure of scene {shot.scene}, found none"
      )
  for scene in targets.keys() - {shot.scene for shot in shots["short"]}:
    found.report(
      "unpaired", targets[scene].path, "expected a short exposure of this scene, found none"
    )
  return pairs


def _listed(root: Path, path: Path, split: str, found: Scan) -> list[tuple[Shot, Shot]]:
  """Pairs of a list file whose files are there; everything else is reported."""
  pairs = []
  for number, line in enumerate(path.read_text().splitlines(), 1):
    words = line.split()
    if not words:
      continue
    where = f"line {number}"
    try:
      short, long = (parse(root / word) for word in words[:2])
    except (UserError, ValueError) as error:
      found.report("unreadable", path, f"{where}: expected a short and a long file: {error}")
      continue
    absent = [shot.path for shot in (short, long) if not shot.path.is_file()]
    empty = [shot.path for shot in (short, long) if shot.path not in absent and not _bytes(shot)]
    for file in absent:
      found.report("missing", file, f"{path.name} names it in {where}, but there is no such file")
    for file in empty:
      found.report("unreadable", file, "is empty (zero bytes); copy it again")
    if short.scene != long.scene:
      found.report("unpaired", path, f"{where} pairs scene {short.scene} with {long.scene}")
    elif _SPLIT_OF_DIGIT[short.scene[0]] != split:
      wanted = _SPLIT_OF_DIGIT[short.scene[0]]
      found.report("leak", path, f"{where}: the first digit puts {short.path.name} in {wanted}")
    elif not absent and not empty:
      pairs.append((short, long))
  return pairs


def _bytes(shot: Shot) -> int:
  return shot.path.stat().st_size


def _camera(config: str) -> str:
  if config not in CAMERAS:
    raise UserError(f"sid has no configuration {config!r}; it has {', '.join(CAMERAS)}")
  return CAMERAS[config]
