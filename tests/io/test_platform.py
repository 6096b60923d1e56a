import os
import subprocess
import sys
from pathlib import Path

import pytest

from llve_jax.io.platform import has_tpu, without_tpu


@pytest.mark.parametrize("device", ["dev/accel0", "dev/vfio/0", "dev/vfio/17"])
def test_a_tpu_shows_as_a_device(tmp_path: Path, device: str) -> None:
  file = tmp_path / device
  file.parent.mkdir(parents=True)
  file.touch()
  environment: dict[str, str] = {}
  without_tpu(environment, tmp_path)
  assert has_tpu(tmp_path)
  assert environment == {}


@pytest.mark.parametrize("device", ["dev/nvidia0", "dev/vfio/vfio"])
def test_other_devices_are_none(tmp_path: Path, device: str) -> None:
  file = tmp_path / device
  file.parent.mkdir(parents=True)
  file.touch()
  environment: dict[str, str] = {}
  without_tpu(environment, tmp_path)
  assert not has_tpu(tmp_path)
  assert environment["TPU_WORKER_HOSTNAMES"] == "localhost"


def test_only_the_tpu_library_is_told_and_what_was_set_stays(tmp_path: Path) -> None:
  environment = {"TPU_WORKER_HOSTNAMES": "a,b", "JAX_PLATFORMS": "cuda"}
  without_tpu(environment, tmp_path)
  assert environment["TPU_WORKER_HOSTNAMES"] == "a,b"
  assert environment["JAX_PLATFORMS"] == "cuda"
  new = environment.keys() - {"TPU_WORKER_HOSTNAMES", "JAX_PLATFORMS"}
  assert all(name.startswith("TPU_") or name == "ALLOW_MULTIPLE_LIBTPU_LOAD" for name in new)


@pytest.mark.skipif(has_tpu(), reason="there is a TPU")
def test_jax_looks_for_devices_without_a_word() -> None:
  script = (
    "from llve_jax.io.platform import without_tpu; without_tpu(); import jax; print(jax.devices())"
  )
  # As a user has it: nothing chosen, nothing set.
  environment = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "TPU_"))}
  done = subprocess.run(
    [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
  )
  assert "Device(id=0)" in done.stdout
  assert "TPU" not in done.stderr
