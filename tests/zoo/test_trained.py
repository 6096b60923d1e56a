import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.io import bundle
from llve_jax.io.run_folder import BEST
from llve_jax.zoo import trained

KWARGS = {"widths": (4,), "bottleneck": 4, "cardinality": 2}
CLIP = np.random.default_rng(0).random((1, 1, 7, 9, 3), dtype=np.float32)


@pytest.fixture(scope="module")
def network():
  module = models.build("turntable_unet", **KWARGS)
  return module, jax.jit(module.init)(jax.random.key(0), CLIP)


@pytest.fixture
def workdir(tmp_path, network):
  path = tmp_path / BEST
  bundle.save(path, bundle.Bundle("turntable_unet", KWARGS, network[1], {"step": 5}))
  return tmp_path


@pytest.mark.parametrize("name", [".", BEST])
def test_loads_a_folder_or_its_file(workdir, network, name):
  module, variables = network
  loaded = trained.load(workdir / name)
  assert (loaded.name, loaded.kwargs) == ("turntable_unet", KWARGS)
  assert (loaded.origin, loaded.traits) == ({"step": 5}, module.traits)
  expected = jax.jit(module.apply)(variables, CLIP)["clip"]
  found = jax.jit(loaded.module.apply)(loaded.variables, CLIP)["clip"]
  assert expected.std() > 0
  np.testing.assert_array_equal(found, expected)


def test_weights_of_16_bits_are_computed_with_as_32(tmp_path, network):
  half = jax.tree.map(lambda leaf: np.asarray(leaf, np.float16), network[1])
  bundle.save(tmp_path / BEST, bundle.Bundle("turntable_unet", KWARGS, half, {}))
  leaves = jax.tree.leaves(trained.load(tmp_path).variables)
  assert {leaf.dtype for leaf in leaves} == {np.dtype("f4")}


@pytest.mark.parametrize(
  ("name", "message"),
  [
    ("", "holds no trained network"),
    ("nowhere", "no such file or folder, and no shipped network .*night-small"),
    ("nowhere.safetensors", "no such file or folder"),
  ],
)
def test_nothing_there(tmp_path, name, message):
  with pytest.raises(UserError, match=message):
    trained.load(tmp_path / name)


def test_weights_of_another_width_name_the_parameters(tmp_path, network):
  wrong = bundle.Bundle("turntable_unet", {**KWARGS, "widths": (6,)}, network[1], {})
  bundle.save(tmp_path / BEST, wrong)
  with pytest.raises(UserError, match=r"best\.safetensors: .* has shape \(4,\), expected \(6,\)"):
    trained.load(tmp_path)


def test_weights_of_another_form_name_the_parameters(tmp_path, network):
  wrong = bundle.Bundle("turntable_unet", {**KWARGS, "resnext": False}, network[1], {})
  bundle.save(tmp_path / BEST, wrong)
  with pytest.raises(UserError, match=r"ConvNorm_1/.* is missing"):
    trained.load(tmp_path)


def test_a_network_that_does_not_exist_here(tmp_path):
  bundle.save(tmp_path / BEST, bundle.Bundle("later_net", {}, {"a": jnp.ones(1)}, {}))
  with pytest.raises(UserError, match="no network is called 'later_net'"):
    trained.load(tmp_path)
