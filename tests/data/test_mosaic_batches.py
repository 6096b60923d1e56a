"""Batches of mosaics for every kind of input, of clips whose pixels tell where they are from."""

import numpy as np
import pytest

from llve_jax.data import pipeline
from llve_jax.data.mosaic import MosaicWindow
from llve_jax.errors import UserError
from llve_jax.ops.mosaic import XTRANS, unpack
from tests.data.test_mosaic import EXAMPLES, seen


@pytest.mark.parametrize("cfa", ["GBRG", XTRANS])
@pytest.mark.parametrize("threads", [0, 2])
def test_batches_for_training(cfa, threads):
  settings_of_data = {"batch": 2, "frames": 2, "crop": 4, "seed": 0}
  batches = [
    pipeline.train_iterator([EXAMPLES[cfa]] * 3, **settings_of_data, threads=count)
    for count in (threads, 1)
  ]
  wanted = "RGGB" if len(cfa) == 4 else XTRANS
  for _ in range(4):
    batch, again = (next(iterator) for iterator in batches)
    for key in batch:
      np.testing.assert_array_equal(batch[key], again[key])
    # No noise and no shuffled colours: those are for sRGB.
    for low, high in zip(batch["low"], batch["high"], strict=True):
      np.testing.assert_allclose(unpack(low, wanted), seen(high, wanted), atol=1e-5)


def test_blind_turns_can_be_trained_on():
  batches = pipeline.train_iterator(
    [EXAMPLES["RGGB"]], batch=8, frames=2, crop=4, seed=0, blind=True, threads=0
  )
  batch = next(batches)
  apart = [
    np.abs(unpack(low, "RGGB") - seen(high, "RGGB")).max()
    for low, high in zip(batch["low"], batch["high"], strict=True)
  ]
  assert max(apart) > 0.5 / 255


@pytest.mark.parametrize(("cfa", "kind"), [("GRBG", "mosaic"), (XTRANS, "mosaic")])
def test_a_plane_holds_the_targets_colours(cfa, kind):
  wanted = "RGGB" if len(cfa) == 4 else XTRANS
  batch = pipeline.train_dataset([EXAMPLES[cfa]], batch=4, frames=2, crop=4, seed=0, kind=kind)[0]
  side = 8 if len(cfa) == 4 else 12
  assert batch["low"].shape == (4, 2, side, side, 1)
  for low, high in zip(batch["low"], batch["high"], strict=True):
    np.testing.assert_allclose(low[..., 0], seen(high, wanted), atol=1e-5)


def test_binned_light_lies_where_its_small_target_does():
  """Rows and columns are means of 2x2 pixels on both sides, up to where colours sit in a cell."""
  example = EXAMPLES["GBRG"]
  batch = pipeline.train_dataset([example], batch=8, frames=2, crop=4, seed=0, kind="raw_rgb")[0]
  assert batch["low"].shape == batch["high"].shape == (8, 2, 4, 4, 3)
  np.testing.assert_allclose(batch["low"][..., 0], batch["high"][..., 0], atol=1e-5)  # the frame
  # Green is the mean row of the two green sites, which is that of the cell, whatever the turn.
  np.testing.assert_allclose(batch["low"][..., 1], batch["high"][..., 1], atol=1e-5)
  apart = np.abs(batch["low"][..., 2] - batch["high"][..., 2]) * 255  # blue sits in a corner
  np.testing.assert_allclose(apart, 0.5, atol=1e-3)


def test_mosaics_of_a_still_scene_can_be_drawn_apart():
  still = EXAMPLES["RGGB"] | {"high": EXAMPLES["RGGB"]["high"][:1], "variant": 1, "start": 10}
  window = MosaicWindow(frames=2, crop=4, apart=True, augment=False)
  ids = {str(window.random_map(still, np.random.default_rng(seed))["id"]) for seed in range(90)}
  assert "night/1/14+10" in ids
  assert len(ids) == 5 * 4


def test_a_kind_that_no_mosaic_gives_is_named():
  with pytest.raises(UserError, match=r"night: .* gives xtrans or mosaic .* 'raw_rgb' is wanted"):
    pipeline.train_dataset([EXAMPLES[XTRANS]], batch=1, frames=1, crop=4, seed=0, kind="raw_rgb")
