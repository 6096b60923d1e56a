"""Where unpaired dark and normal images lie, as EnlightenGAN names the folders."""

from collections.abc import Iterator
from pathlib import Path

from llve_jax.errors import UserError
from tfds_builders.base.scan import Clip, Scan, files_in, natural_key, require_folder

TREES = {
  "folders": """
    MANUAL_DIR/
      trainA/  dark images, split "train_low" (jpg jpeg png ppm bmp; in subfolders, too)
      trainB/  normally lit images of anything else, split "train_high"
      testA/   optional, dark images, split "test_low"; can be there without the others
      testB/   optional, normally lit images, split "test_high"
  """,
}
CONFIGS = tuple(TREES)

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp")
# split -> folder, is dark
_FOLDERS = {
  "train_low": ("trainA", True),
  "train_high": ("trainB", False),
  "test_low": ("testA", True),
  "test_high": ("testB", False),
}


def tree(config: str) -> str:
  """The tree that a configuration expects."""
  if config not in TREES:
    raise UserError(f"unpaired_images has no configuration {config!r}; it has {', '.join(TREES)}")
  return TREES[config]


def scan(root: Path, config: str = "folders") -> Scan:
  """Finds the images of every split; a clip has one image on one side and none on the other."""
  found = Scan()
  expected = tree(config)
  trains = any((root / name).is_dir() for name in ("trainA", "trainB"))
  tests = any((root / name).is_dir() for name in ("testA", "testB"))
  for split, (name, dark) in _FOLDERS.items():
    folder = root / name
    # Data for testing alone are fine; half of the data for training are not.
    required = split.startswith("train") and (trains or not tests)
    if not folder.is_dir() and not required:
      continue
    if not require_folder(folder, expected, found):
      continue
    paths = list(_files_below(folder, found))
    if not paths:
      found.report("missing", folder, f"expected images ({' '.join(SUFFIXES)}), found none")
    for path in paths:
      # With its suffix, since two images may differ in that alone.
      clip = f"{split}/{path.relative_to(folder).as_posix()}"
      found.add(split, Clip(clip, (path,)) if dark else Clip(clip, (), (path,)))
  return found


def _files_below(folder: Path, found: Scan) -> Iterator[Path]:
  """Images of a folder, then those of its subfolders."""
  yield from files_in(folder, SUFFIXES, scan=found)
  for path in sorted(folder.iterdir(), key=lambda path: natural_key(path.name)):
    if path.is_dir() and not path.name.startswith("."):
      yield from _files_below(path, found)
