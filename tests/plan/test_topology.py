import importlib.util
from typing import Any

import pytest

from llve_jax.errors import UserError
from llve_jax.plan import topology
from llve_jax.plan.chips import CHIPS


@pytest.mark.parametrize(
  ("name", "size"), [("v5e:2x4", 8), ("v5e:16x16", 256), ("v4:2x2x2", 8), (" v6e:4x4 ", 16)]
)
def test_a_name_is_read(name: str, size: int) -> None:
  found = topology.parse(name)
  assert str(found) == name.strip()
  assert found.size == size


@pytest.mark.parametrize(
  ("name", "told"),
  [
    ("v5e", "expected GENERATION:SHAPE"),
    ("v5e:2by4", "expected GENERATION:SHAPE"),
    ("v9:2x4", "known: v4, v5e, v5p, v6e"),
    ("v5e:3x3", "blocks of 2x2 chips"),
    ("v5e:2x2x2", "2 dimensions"),
    ("v5e:0x2", "2x4, 4x4, 4x8, 8x8, 8x16, 16x16"),
    ("v5e:32x16", "256 at most"),
    ("v4:2x2", "3 dimensions"),
  ],
)
def test_a_bad_name_is_refused(name: str, told: str) -> None:
  with pytest.raises(UserError, match=told):
    topology.parse(name)


@pytest.mark.parametrize("generation", CHIPS)
def test_standard_slices_double_and_can_be_named(generation: str) -> None:
  found = topology.slices(generation)
  assert [each.size for each in found] == [8, 16, 32, 64, 128, 256]
  assert [topology.parse(str(each)) for each in found] == found


def test_an_unknown_generation_has_no_slices() -> None:
  with pytest.raises(UserError, match="known: v4"):
    topology.slices("v0")


@pytest.mark.parametrize("name", ["v5e:2x4", "v4:2x2x2", "v5p:2x2x1", "v6e:2x2", "v5e:1x1"])
def test_devices_are_those_of_the_slice(name: str, eight: topology.Topology) -> None:
  del eight  # skips without libtpu
  found = topology.parse(name)
  devices = found.devices()
  assert len(devices) == found.size
  assert {device.device_kind for device in devices} == {found.chip.device_kind}


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
  found: Any = importlib.util.find_spec

  def find(name: str) -> Any:
    return None if name == "libtpu" else found(name)

  monkeypatch.setattr(importlib.util, "find_spec", find)
  monkeypatch.delenv("TPU_LIBRARY_PATH", raising=False)
  with pytest.raises(UserError, match=r"pip install 'llve_jax\[tpu\]'"):
    topology.parse("v5e:2x4").devices()


def test_what_the_library_refuses_is_told(
  monkeypatch: pytest.MonkeyPatch, eight: topology.Topology
) -> None:
  def refuse(*_: object, **__: object) -> None:
    raise ValueError("INVALID_ARGUMENT: no such thing\nstack")

  monkeypatch.setattr(topology.topologies, "get_topology_desc", refuse)
  with pytest.raises(UserError, match="v5e:2x4: libtpu cannot compile for it: INVALID_ARGUMENT"):
    eight.devices()
