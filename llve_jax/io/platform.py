"""Machines on which Google's TPU library is installed, but no TPU."""

import os
from collections.abc import MutableMapping
from pathlib import Path

# What the library would otherwise ask the network for, or complain about on the screen.
_SETTINGS = {
  "TPU_SKIP_MDS_QUERY": "1",
  "TPU_ACCELERATOR_TYPE": "v5litepod-1",
  "TPU_WORKER_HOSTNAMES": "localhost",
  "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


def has_tpu(root: Path = Path("/")) -> bool:
  """Whether this machine has a TPU, or may have one.

  Its driver makes `/dev/accel*`, or hands it over as a numbered `/dev/vfio/*`, as other devices may
  be handed over too.
  """
  handed = (root / "dev" / "vfio").glob("[0-9]*")
  return any((root / "dev").glob("accel*")) or any(handed)


def without_tpu(environment: MutableMapping[str, str] = os.environ, root: Path = Path("/")) -> None:
  """Keeps the TPU library quiet where there is no TPU; call it before JAX looks for devices.

  JAX loads the library wherever it is installed. All that is set is what the library reads, so
  other devices are found as ever. Nothing is done where there is a TPU; what somebody set, stays.
  """
  if not has_tpu(root):
    for name, value in _SETTINGS.items():
      environment.setdefault(name, value)
