"""Runs of one process that share their compiled steps: a test of the loop need not compile anew."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from experiments.run.compiled_steps import Programs

# What the program of a step does not depend on.
_OUTSIDE = {
  "train": (
    "save_every",
    "keep",
    "keep_every",
    "keep_best",
    "log_every",
    "stop_after",
    "init_from",
  ),
  "data": ("dir", "seed", "workers", "processes"),
}
_built: dict[tuple[Any, ...], Any] = {}


def key_of(programs: Programs, phase: int) -> tuple[Any, ...]:
  """All that the program of a phase depends on."""
  config = programs._run.config.copy_and_resolve_references()
  parts = {name: config[name] for name in config if name not in ("eval", "test_data", "seed")}
  for section, names in _OUTSIDE.items():
    parts[section] = {key: parts[section][key] for key in parts[section] if key not in names}
  described = repr(sorted((name, str(part)) for name, part in parts.items()))
  devices = tuple(device.id for device in programs._mesh.devices.flat)
  return described, phase, programs._height, devices, programs._mesh.devices.shape


@contextlib.contextmanager
def shared() -> Iterator[None]:
  """Within it, a program that another run of this process has compiled is taken from there."""
  build = Programs._build

  def build_once(self: Programs, phase: int) -> Any:
    key = key_of(self, phase)
    if key not in _built:
      _built[key] = build(self, phase)
    return _built[key]

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(Programs, "_build", build_once)
    yield
