"""Where pairs of dark and bright images lie: LOL v1, LOL v2, or any two folders."""

from pathlib import Path

from llve_jax.errors import UserError
from tfds_builders.base.scan import Clip, Scan, files_in, pair_by_name, require_folder

TREES = {
  "folders": """
    MANUAL_DIR/
      train/
        low/   NAME.png ...     dark images (png jpg webp bmp tif)
        high/  NAME.png ...     bright images of the same names; the suffix may differ
      val/     low/ high/       split "validation"; without it, a twentieth of train
      test/    low/ high/       optional
  """,
  "lol_v1": """
    MANUAL_DIR/
      our485/  low/ high/       485 pairs NUMBER.png, split "train"
      eval15/  low/ high/       15 pairs, split "test"
  """,
  "lol_v2_real": """
    MANUAL_DIR/
      Real_captured/
        Train/ Low/ Normal/     689 pairs lowNUMBER.png and normalNUMBER.png, split "train"
        Test/  Low/ Normal/     100 pairs, split "test"
  """,
  "lol_v2_synthetic": """
    MANUAL_DIR/
      Synthetic/
        Train/ Low/ Normal/     900 pairs of the same name, split "train"
        Test/  Low/ Normal/     100 pairs, split "test"
  """,
}
CONFIGS = tuple(TREES)

# config -> split -> (dark folder, bright folder, is required)
_FOLDERS = {
  "folders": {
    "train": ("train/low", "train/high", True),
    "validation": ("val/low", "val/high", False),
    "test": ("test/low", "test/high", False),
  },
  "lol_v1": {
    "train": ("our485/low", "our485/high", True),
    "test": ("eval15/low", "eval15/high", True),
  },
  "lol_v2_real": {
    "train": ("Real_captured/Train/Low", "Real_captured/Train/Normal", True),
    "test": ("Real_captured/Test/Low", "Real_captured/Test/Normal", True),
  },
  "lol_v2_synthetic": {
    "train": ("Synthetic/Train/Low", "Synthetic/Train/Normal", True),
    "test": ("Synthetic/Test/Low", "Synthetic/Test/Normal", True),
  },
}
_PREFIXES = "^(low|normal)(?=[0-9])"


def tree(config: str) -> str:
  """The tree that a configuration expects."""
  return TREES[_known(config)]


def scan(root: Path, config: str = "folders") -> Scan:
  """Pairs the images of every split by name."""
  found = Scan()
  for split, (dark, bright, required) in _FOLDERS[_known(config)].items():
    low, high = root / dark, root / bright
    if not required and not low.is_dir() and not high.is_dir():
      continue
    # Both are reported where both are missing.
    present = [require_folder(folder, tree(config), found) for folder in (low, high)]
    if not all(present):
      continue
    drop = _PREFIXES if config == "lol_v2_real" else ""
    for one, other in pair_by_name(
      files_in(low, scan=found), files_in(high, scan=found), found, drop=drop
    ):
      found.add(split, Clip(f"{split}/{one.stem}", (one,), (other,)))
  found.hold_out(20)  # neighbours often show one scene, so they are not drawn
  return found


def _known(config: str) -> str:
  if config not in TREES:
    raise UserError(f"paired_images has no configuration {config!r}; it has {', '.join(TREES)}")
  return config
