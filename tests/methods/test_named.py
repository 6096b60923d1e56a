"""What --model means."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax import methods, models
from llve_jax.errors import UserError
from llve_jax.io import bundle
from llve_jax.io.run_folder import BEST

FIELDS = {"features": 4}


@pytest.fixture
def weights(tmp_path):
  module = models.build("zero_dce", **FIELDS)
  variables = jax.jit(module.init)(jax.random.key(0), jnp.zeros((1, 1, 8, 8, 3)))
  variables = jax.tree.map(lambda leaf: leaf + 0.1, variables)  # fresh ones change nothing
  path = tmp_path / "run" / BEST
  path.parent.mkdir()
  bundle.save(path, bundle.Bundle("zero_dce", FIELDS, variables, {"step": 7}))
  return path


def test_a_file_and_a_folder_are_the_same_network(weights) -> None:
  frames = np.random.default_rng(0).integers(0, 60, (3, 20, 24, 3)).astype(np.uint8)
  by_file, by_folder = (methods.load(path, batch=2) for path in (weights, weights.parent))
  assert by_file.name == "zero_dce"
  assert by_file.origin == {"step": 7}
  assert abs(by_file(frames).mean() - frames.mean()) > 1
  np.testing.assert_array_equal(by_file(frames), by_folder(frames))
  assert methods.load(str(weights), tile=64).about(200, 100).startswith("zero_dce: 100x200 in ")
  assert "rows split over 2 devices" in methods.load(weights, rows=2).about(8, 8)


def test_names_come_before_paths(tmp_path, monkeypatch) -> None:
  monkeypatch.chdir(tmp_path)
  (tmp_path / "clahe").mkdir()
  assert methods.load("clahe").name == "clahe"
  with pytest.raises(UserError, match="holds no trained network"):
    methods.load("./clahe")


def test_an_unknown_name_lists_what_there_is(tmp_path) -> None:
  with pytest.raises(UserError, match=r"no method and no file is called so.*auto_gain, .*clahe"):
    methods.load("magic")
  with pytest.raises(UserError, match="holds no trained network"):
    methods.load(tmp_path)


@pytest.mark.parametrize("option", [{"tile": 64}, {"rows": 2}])
def test_options_of_networks_mean_nothing_to_a_classic_method(option) -> None:
  with pytest.raises(UserError, match=f"clahe is no network, so --{next(iter(option))} means"):
    methods.load("clahe", **option)
