"""Open one split of a prepared TFDS data set for random access, without TensorFlow.

The images stay encoded: a training step that looks at one frame of a segment decodes one frame.
"""

import json
import os
import re
from typing import Any, Protocol

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from llve_jax.errors import UserError

_VERSION = re.compile(r"\d+\.\d+\.\d+")


class Source(Protocol):
  """Examples by number: anything with a length and an index."""

  def __len__(self) -> int:
    """How many examples there are."""

  def __getitem__(self, index: int, /) -> dict[str, Any]:
    """The example of that number."""


class Cached:
  """A source that keeps what it has read, up to a limit; what comes after is read every time.

  Reading a record costs more than decoding the few frames of it that a training step uses.
  Nothing is evicted: when every epoch reads everything once, the oldest is as likely as the newest.

  Attributes:
    limit: bytes of encoded images that are kept.
  """

  def __init__(self, source: Source, limit: int):
    self.limit = limit
    self._source = source
    self._kept: dict[int, dict[str, Any]] = {}
    self._bytes = 0

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> dict[str, Any]:
    example = self._kept.get(index)
    if example is None:
      example = self._source[index]
      size = sum(map(_encoded_size, example.values()))
      if self._bytes + size <= self.limit:
        self._bytes += size
        self._kept[index] = example
    return example


class _KeepEncoded(tfds.decode.SkipDecoding):
  """`SkipDecoding` for a sequence of images too, which TFDS offers for TensorFlow only."""

  def decode_batch_example_np(self, serialized_example: np.ndarray) -> np.ndarray:
    return serialized_example


def open_split(
  name: str,
  split: str,
  *,
  config: str | None = None,
  data_dir: str | os.PathLike[str] | None = None,
) -> Source:
  """Opens a split of the newest prepared version of a data set; its code is not needed.

  Args:
    name: the data set, a folder of `tfds_builders/`.
    split: such as "train", "test" or "train[:10%]".
    config: one of its configurations; None is its default one, if it has any.
    data_dir: where TFDS keeps data sets; None is $TFDS_DATA_DIR or ~/tensorflow_datasets.

  Returns:
    A sequence of examples. Image features are the bytes of the file (a sequence of images: an
    array of bytes), text is bytes, scalars are Python numbers.

  Raises:
    UserError: the data set is not prepared (the message is the command that prepares it), has no
      such configuration or split, or cannot be read at random.
  """
  root = epath.Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
  folder = _newest_version(root.expanduser() / name, name, config, data_dir)
  builder = tfds.builder_from_directory(folder)
  images = {
    key: _KeepEncoded()
    for key, feature in builder.info.features.items()
    if isinstance(getattr(feature, "feature", feature), tfds.features.Image)
  }
  known = sorted(builder.info.splits)
  if re.split(r"[\[+]", split)[0] not in known:
    raise UserError(
      f"{folder}: expected one of the splits {known}, or a part of one such as 'train[90%:]', "
      f"found {split!r}"
    )
  try:
    return builder.as_data_source(split, decoders=images)
  except NotImplementedError:
    raise UserError(
      f"{folder}: expected a format that can be read at random, found "
      f"{builder.info.file_format}; delete the folder and run "
      f"`{_command(name, config, data_dir)} --file_format=array_record`"
    ) from None


def _encoded_size(value: Any) -> int:
  """Bytes of a feature that is encoded, or a sequence of such."""
  if isinstance(value, np.ndarray) and value.dtype == object:
    return sum(map(len, value))
  return len(value) if isinstance(value, bytes) else 0


def _newest_version(
  folder: epath.Path, name: str, config: str | None, data_dir: str | os.PathLike[str] | None
) -> epath.Path:
  """The folder of the newest version: `folder/[config/]1.2.3`."""
  command = _command(name, config, data_dir)
  if not folder.is_dir():
    raise UserError(f"{folder}: the data set {name} is not prepared; run `{command}`")
  versions = _versions(folder)
  if not versions:
    configs = sorted(child.name for child in folder.iterdir() if _versions(child))
    config = config or _default_config(folder)
    if config not in configs:
      raise UserError(
        f"{folder}: the configuration {config} is not prepared (prepared are {configs}); run "
        f"`{_command(name, config, data_dir)}`"
      )
    versions = _versions(folder / config)
  elif config is not None:
    raise UserError(
      f"{folder}: {name} has no configurations, found config={config!r}; leave it out"
    )
  return max(versions, key=lambda path: [int(number) for number in path.name.split(".")])


def _versions(folder: epath.Path) -> list[epath.Path]:
  if not folder.is_dir():
    return []
  return [path for path in folder.iterdir() if _VERSION.fullmatch(path.name)]


def _default_config(folder: epath.Path) -> str | None:
  """The configuration that the builder calls its default; TFDS notes it beside the data."""
  note = folder / ".config" / "metadata.json"
  return json.loads(note.read_text()).get("default_config_name") if note.exists() else None


def _command(name: str, config: str | None, data_dir: str | os.PathLike[str] | None) -> str:
  """What the user types, in the root of the repository, to prepare the data set."""
  words = ["tfds build", f"tfds_builders/{name}"]
  if config:
    words.append(f"--config={config}")
  if data_dir:
    words.append(f"--data_dir={os.fspath(data_dir)}")
  return " ".join(words)
