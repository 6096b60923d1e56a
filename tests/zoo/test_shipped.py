"""What is shipped is what was published; tampered files and unknown names are refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.io import bundle
from llve_jax.zoo import __main__ as command
from llve_jax.zoo import shipped, trained

EVERY = sorted(shipped.SHIPPED)
_SECTIONS = ("## Data and licences", "## Command", "## Figures", "## Limits", "## History")


def test_the_default_is_shipped_and_may_be_used_freely() -> None:
  assert not shipped.SHIPPED[shipped.DEFAULT].research


@pytest.mark.parametrize("name", EVERY)
def test_every_network_loads_by_name(name: str) -> None:
  network = trained.load(name)
  found = sum(leaf.size for leaf in bundle.flatten(network.variables).values())
  assert found == shipped.SHIPPED[name].parameters
  assert {leaf.dtype for leaf in bundle.flatten(network.variables).values()} == {np.dtype("f4")}
  assert shipped.weights_file(name).stat().st_size < 2_000_000


@pytest.mark.parametrize("name", EVERY)
def test_every_network_has_a_card(name: str) -> None:
  card = shipped.card_file(name).read_text(encoding="utf-8")
  assert card.startswith(f"# {name}\n")
  assert all(section in card for section in _SECTIONS)
  assert shipped.SHIPPED[name].sha256 in card
  assert ("research only" in card.lower()) == shipped.SHIPPED[name].research


@pytest.mark.parametrize("name", EVERY)
def test_the_network_is_the_one_in_the_table_of_models(name: str) -> None:
  read = bundle.load(shipped.checked(name, quiet=True))
  assert models.build(read.name, **read.kwargs).traits.streaming


def test_research_weights_say_so(capsys: pytest.CaptureFixture[str]) -> None:
  for name in EVERY:
    shipped.checked(name)
    assert ("research only" in capsys.readouterr().err) == shipped.SHIPPED[name].research


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
  """A copy of the shipped file in a folder that may be damaged."""
  path = tmp_path / "weights" / shipped.weights_file(shipped.DEFAULT).name
  path.parent.mkdir()
  path.write_bytes(shipped.weights_file(shipped.DEFAULT).read_bytes())
  monkeypatch.setattr(shipped, "_HERE", tmp_path)
  return path


def test_a_tampered_file_is_refused(elsewhere: Path) -> None:
  data = bytearray(elsewhere.read_bytes())
  data[-1] ^= 1
  elsewhere.write_bytes(data)
  with pytest.raises(UserError, match=r"not the weights that were published: SHA-256 .* expected"):
    trained.load(shipped.DEFAULT)


def test_a_file_that_was_cut_off_is_refused(elsewhere: Path) -> None:
  elsewhere.write_bytes(elsewhere.read_bytes()[:-100])
  with pytest.raises(UserError, match="cut off"):
    trained.load(shipped.DEFAULT)


def test_a_missing_file_is_refused(elsewhere: Path) -> None:
  elsewhere.unlink()
  with pytest.raises(UserError, match="missing; install"):
    trained.load(shipped.DEFAULT)


def test_an_unknown_name_lists_the_known_ones() -> None:
  with pytest.raises(UserError, match=f"called 'nigt'; known: .*{shipped.DEFAULT}"):
    shipped.checked("nigt")


def test_a_name_is_no_path() -> None:
  assert shipped.is_name(shipped.DEFAULT)
  assert not shipped.is_name(f"./{shipped.DEFAULT}")
  assert not shipped.is_name("nigt")


def test_packed_weights_are_those_of_the_run_to_16_bits(tmp_path: Path) -> None:
  weights = {"params": {"a": {"kernel": np.linspace(-1, 1, 7, dtype=np.float32)}}}
  source = bundle.Bundle("recurrent_unet", {"reach": 2}, weights, {"step": 3})
  bundle.save(tmp_path / "best.safetensors", source)
  digest = shipped.pack(tmp_path / "best.safetensors", tmp_path / "packed.safetensors")
  read = bundle.load(tmp_path / "packed.safetensors")
  assert len(digest) == 64
  assert dataclasses.replace(read, variables={}) == dataclasses.replace(source, variables={})
  packed = read.variables["params"]["a"]["kernel"]
  assert packed.dtype == np.float16
  np.testing.assert_allclose(packed, weights["params"]["a"]["kernel"], rtol=1e-3)


def test_weights_beyond_16_bits_are_not_packed(tmp_path: Path) -> None:
  source = bundle.Bundle("recurrent_unet", {}, {"params": {"a": np.full(2, 1e6, np.float32)}}, {})
  bundle.save(tmp_path / "best.safetensors", source)
  with pytest.raises(UserError, match="params/a does not fit"):
    shipped.pack(tmp_path / "best.safetensors", tmp_path / "packed.safetensors")


def test_the_list_names_each_with_size_and_licence() -> None:
  lines = command.table().splitlines()
  assert len(lines) == 1 + len(EVERY)
  for name, line in zip(shipped.SHIPPED, lines[1:], strict=True):
    assert line.startswith(name)
    assert "MB" in line
    assert shipped.SHIPPED[name].licence in line
