"""Frames that several devices compute together are those of one device."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax import models
from llve_jax.enhance import command
from llve_jax.errors import UserError
from llve_jax.io import bundle
from llve_jax.io.images import read_image, write_image
from llve_jax.methods.compiled import pure
from llve_jax.methods.network import of
from llve_jax.methods.rows import InRows
from llve_jax.zoo.trained import Trained

NETWORKS: dict[str, dict[str, Any]] = {
  # Statistics of the whole frame: it cannot be cut in tiles.
  "smid_resunet": {"input_kind": "srgb", "widths": (4, 6, 8), "blocks": 1},
  "recurrent_unet": {"widths": (4, 6), "blocks": (1, 1), "decoder_blocks": (1,), "reach": 1},
}


def network(name: str) -> Trained:
  module = models.build(name, **NETWORKS[name])
  fresh = jax.jit(module.init)(jax.random.key(0), jnp.zeros((1, 1, 16, 16, 3)))
  random = np.random.default_rng(1)
  variables = jax.tree.map(
    lambda x: x + 0.02 * random.standard_normal(x.shape).astype(np.float32), fresh
  )
  return Trained(name, NETWORKS[name], module, variables, {})


@pytest.mark.parametrize(
  ("name", "rows"), [("smid_resunet", 2), ("smid_resunet", 8), ("recurrent_unet", 4)]
)
def test_the_result_is_that_of_one_device(name: str, rows: int) -> None:
  """31 rows, which no number of devices can share equally; a stream in two pieces."""
  trained = network(name)
  apply = pure(trained.module)
  whole, split = jax.jit(apply), InRows(apply, rows)
  placed = split.place(trained.variables)
  clip = jnp.asarray(np.random.default_rng(0).random((1, 4, 31, 24, 3), np.float32))
  carry = ours = None
  for piece in (clip[:, :2], clip[:, 2:]):
    one, carry = whole(trained.variables, piece, carry)
    other, ours = split(placed, piece, ours)
    assert other.shape == one.shape
    assert float(jnp.std(one)) > 0.01
    np.testing.assert_allclose(np.asarray(other), one, atol=3e-6)
  devices = {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(ours)}
  assert devices == ({rows} if trained.traits.streaming else set())


def test_frames_come_out_as_from_one_device() -> None:
  trained = network("recurrent_unet")
  frames = np.random.default_rng(2).integers(0, 90, (5, 31, 24, 3)).astype(np.uint8)
  one, four = (of(trained, rows=rows, batch=2)(frames) for rows in (1, 4))
  assert one.std() > 5
  assert np.abs(one.astype(int) - four).max() <= 1


def test_devices_that_are_not_there_are_refused() -> None:
  for rows in (0, 9):
    with pytest.raises(UserError, match=rf"--rows={rows}: frames can be split over 1 to 8 devices"):
      InRows(pure(network("smid_resunet").module), rows)


def test_the_tool_splits_rows(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
  made = network("smid_resunet")
  weights = tmp_path / "weights.safetensors"
  bundle.save(weights, bundle.Bundle(made.name, made.kwargs, made.variables, {"step": 1}))
  dark = np.random.default_rng(2).integers(0, 60, (45, 36, 3), np.uint8)
  write_image(tmp_path / "dark.png", dark)
  for rows in (1, 4):
    command.run(tmp_path / "dark.png", tmp_path / f"{rows}.png", model=str(weights), rows=rows)
  assert "36x45, whole, 1 frame at a time, rows split over 4 devices" in capsys.readouterr().err
  one, four = (read_image(tmp_path / f"{rows}.png").astype(int) for rows in (1, 4))
  assert one.std() > 2
  assert np.abs(one - four).max() <= 1
