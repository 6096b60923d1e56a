"""`tfds build` for this project's data sets, from any folder, without its libraries' chatter.

  python -m tfds_builders paired_images --config=folders --manual_dir=PAIRS --data_dir=DATA
  python -m tfds_builders dark_clips                        # every configuration of it

Writes what `tfds build tfds_builders/NAME` writes, where it writes it; that command, which has more
flags (Beam among them), goes as well. A configuration that is built already is left as it is.
"""

import importlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llve_jax import at_once

if __name__ == "__main__":
  at_once.say("building")  # what follows takes seconds to load

from absl import flags

from llve_jax.errors import UserError, run_main
from llve_jax.io.silence import silent

if TYPE_CHECKING:
  import tensorflow_datasets as tfds


def known() -> list[str]:
  """The data sets."""
  builders = Path(__file__).parent.glob("*/*_dataset_builder.py")
  return sorted(path.parent.name for path in builders)


def build(
  name: str,
  config: str | None = None,
  *,
  data_dir: str | None = None,
  manual_dir: str | None = None,
  overwrite: bool = False,
) -> Iterator["tfds.core.DatasetInfo"]:
  """Builds one configuration of a data set, or each in turn.

  Args:
    name: a folder beside this file.
    config: a configuration's name, or the settings of a new one as JSON; None takes all.
    data_dir: folder of data sets; None: `$TFDS_DATA_DIR` or `~/tensorflow_datasets`.
    manual_dir: folder of what was downloaded by hand.
    overwrite: build anew what is there.

  Yields:
    What was built.

  Raises:
    UserError: no such data set or configuration, one that cannot be made of that folder, or a
      package is not installed.
  """
  if name not in known():
    raise UserError(f"{name}: no data set of that name; known: {' '.join(known())}")
  try:
    with silent():
      importlib.import_module("tensorflow")  # which TFDS writes with
      import tensorflow_datasets as tfds

      module = importlib.import_module(f"tfds_builders.{name}.{name}_dataset_builder")
  except ImportError as error:
    raise UserError(
      f"data sets are built with {error.name}, which is not installed; pip install 'llve_jax[tfds]'"
    ) from error
  mode = tfds.GenerateMode
  settings = tfds.download.DownloadConfig(
    manual_dir=manual_dir,
    download_mode=mode.REUSE_CACHE_IF_EXISTS if overwrite else mode.REUSE_DATASET_IF_EXISTS,
  )
  for chosen in _configs(name, module.Builder, config):
    builder = module.Builder(config=chosen, data_dir=data_dir)
    builder.download_and_prepare(download_config=settings)
    yield builder.info


def _configs(name: str, builder: Any, config: str | None) -> list[Any]:
  """Names of configurations, or a new one."""
  names = [each.name for each in builder.BUILDER_CONFIGS]
  if config is None:
    return names
  if config.startswith("{"):
    try:
      return [builder.builder_config_cls(**json.loads(config))]
    except (TypeError, ValueError) as error:
      raise UserError(f"--config={config}: expected settings of {name} as JSON: {error}") from error
  if config not in names:
    raise UserError(f"--config={config}: {name} has no such one; known: {' '.join(names)}")
  return [config]


def main(argv: Sequence[str]) -> None:
  """Reads the command line."""
  if len(argv) != 2:
    raise UserError(
      f"expected the name of one data set, found {len(argv) - 1}: {' '.join(known())}"
    )
  values = flags.FLAGS
  for info in build(
    argv[1],
    values.config,
    data_dir=values.data_dir,
    manual_dir=values.manual_dir,
    overwrite=values.overwrite,
  ):
    splits = ", ".join(f"{split} {part.num_examples}" for split, part in info.splits.items())
    print(f"{info.full_name} in {info.data_dir}: {splits} (clips by split)")


def define_flags() -> None:
  """The command's flags."""
  flags.DEFINE_string("config", None, "A configuration, or a new one as JSON (default: all).")
  flags.DEFINE_string("data_dir", None, "Where data sets lie (default: TFDS's own folder).")
  flags.DEFINE_string("manual_dir", None, "Folder of what you downloaded or filmed.")
  flags.DEFINE_bool("overwrite", False, "Build anew what is built already.")


if __name__ == "__main__":
  define_flags()
  run_main(main)
