"""The builder that every data set with a manual folder derives from."""

import abc
import functools
import itertools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from absl import logging

from llve_jax.errors import UserError
from tfds_builders.base import generate
from tfds_builders.base.scan import Clip, Scan, refuse

ON_ERROR = "LLVE_ON_ERROR"


class ClipBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
  """Scans the manual folder, refuses what is wrong with it, and writes segments of clips.

  The environment variable LLVE_ON_ERROR says what happens with a file that cannot be read: "fail"
  (default) stops the build and leaves nothing behind, "skip" leaves its clip out and lists it in
  `manifest.jsonl` beside the data.
  """

  BEAM: ClassVar[bool] = False  # whether clips are read by Beam's workers

  def __init__(self, *, file_format: str | None = None, **kwargs: Any):
    # Training reads at random, which TFDS's own default (tfrecord) cannot.
    super().__init__(file_format=file_format or "array_record", **kwargs)

  @abc.abstractmethod
  def scan(self, root: Path) -> Scan:
    """Clips by split of this configuration, and problems."""

  @abc.abstractmethod
  def reader(self) -> generate.Read:
    """What reads a clip; a function of an importable module, for Beam's workers."""

  @abc.abstractmethod
  def features(self) -> tfds.features.FeaturesDict:
    """Features of this configuration."""

  def tree(self) -> str:
    """The tree expected below the manual folder."""
    return str(self.MANUAL_DOWNLOAD_INSTRUCTIONS)

  def facts(self) -> dict[str, Any]:
    """What the manifest records of how the data were made."""
    return {}

  def _info(self) -> tfds.core.DatasetInfo:
    # Segments stay in the order of the film.
    return self.dataset_info_from_configs(features=self.features(), disable_shuffling=True)

  def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
    try:
      root = Path(os.fspath(dl_manager.manual_dir))
    except AssertionError as error:  # what TFDS makes of a folder that is not there
      raise UserError(f"{error}\nGive the folder by --manual_dir=DIR.") from error
    scan = self.scan(root)
    if self._skips():
      generate.note_problems(str(self.data_path), scan.problems)
      scan = Scan(scan.clips, [])
    for problem in scan.problems:
      if not problem.fatal:
        logging.warning("%s", problem)
    refuse(scan, root, self.tree())
    return {split: self._generate_examples(clips) for split, clips in scan.clips.items()}

  def _generate_examples(self, clips: Iterable[Clip]) -> Any:
    read = functools.partial(
      generate.examples, read=self.reader(), skip=self._skips(), folder=str(self.data_path)
    )
    if not self.BEAM:
      return itertools.chain.from_iterable(map(read, enumerate(clips)))
    import apache_beam as beam

    return beam.Create(list(enumerate(clips))) | beam.Reshuffle() | beam.FlatMap(read)

  def _download_and_prepare(self, dl_manager: Any, download_config: Any) -> None:
    super()._download_and_prepare(dl_manager, download_config)
    facts = {"builder": self.info.full_name, **self.facts()}
    skipped = generate.write_manifest(str(self.data_path), facts)
    if skipped:
      logging.warning("%d left out; %s lists them", skipped, generate.MANIFEST)

  def _skips(self) -> bool:
    value = os.environ.get(ON_ERROR, "fail")
    if value not in ("fail", "skip"):
      raise UserError(f"{ON_ERROR}={value}: expected fail or skip")
    return value == "skip"
