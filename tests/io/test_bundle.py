import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from llve_jax.errors import UserError
from llve_jax.io import bundle
from llve_jax.io.bundle import Bundle

VARIABLES = {
  "params": {"Conv_0": {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.ones(3)}},
  "batch_stats": {"Norm_0": {"mean": jnp.zeros(3, jnp.bfloat16)}},
}
BUNDLE = Bundle("turntable_unet", {"widths": (4, 8), "resnext": True}, VARIABLES, {"step": 7})


def test_round_trip(tmp_path):
  bundle.save(tmp_path / "a.safetensors", BUNDLE)
  read = bundle.load(tmp_path / "a.safetensors")
  assert (read.name, read.kwargs, read.origin) == (BUNDLE.name, BUNDLE.kwargs, BUNDLE.origin)
  assert jax.tree.structure(read.variables) == jax.tree.structure(VARIABLES)
  jax.tree.map(np.testing.assert_array_equal, read.variables, VARIABLES)
  dtypes = [leaf.dtype for leaf in jax.tree.leaves(read.variables)]
  assert dtypes == [leaf.dtype for leaf in jax.tree.leaves(VARIABLES)]
  assert os.listdir(tmp_path) == ["a.safetensors"]


def test_views_are_written_as_they_look(tmp_path):
  transposed = np.arange(6.0, dtype=np.float32).reshape(2, 3).T
  bundle.save(tmp_path / "a.safetensors", Bundle("x", {}, {"a": transposed}, {}))
  np.testing.assert_array_equal(bundle.load(tmp_path / "a.safetensors").variables["a"], transposed)


def test_a_number_stays_a_number(tmp_path):
  bundle.save(tmp_path / "a.safetensors", Bundle("x", {}, {"a": np.float32(2)}, {}))
  assert bundle.load(tmp_path / "a.safetensors").variables["a"].shape == ()


def test_others_may_read_it(tmp_path):
  (tmp_path / "plain").write_bytes(b"")
  bundle.save(tmp_path / "a.safetensors", BUNDLE)
  assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_another_library_can_read_it(tmp_path):
  bundle.save(tmp_path / "a.safetensors", BUNDLE)
  read = safetensors.numpy.load_file(tmp_path / "a.safetensors")
  assert read.keys() == {"params/Conv_0/kernel", "params/Conv_0/bias", "batch_stats/Norm_0/mean"}


def test_a_failed_write_leaves_what_was_there(tmp_path):
  path = tmp_path / "a.safetensors"
  bundle.save(path, BUNDLE)
  before = path.read_bytes()
  with pytest.raises(TypeError, match="not JSON serializable"):
    bundle.save(path, Bundle("x", {"dtype": object()}, VARIABLES, {}))
  assert path.read_bytes() == before
  assert os.listdir(tmp_path) == ["a.safetensors"]


def test_the_folder_must_exist(tmp_path):
  with pytest.raises(UserError, match=r"the folder .*missing does not exist"):
    bundle.save(tmp_path / "missing" / "a.safetensors", BUNDLE)


def test_a_missing_file(tmp_path):
  with pytest.raises(UserError, match=r"a\.safetensors: no such file"):
    bundle.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize("kept", [0, 5, 60, -1])
def test_a_truncated_file(tmp_path, kept):
  path = tmp_path / "a.safetensors"
  bundle.save(path, BUNDLE)
  path.write_bytes(path.read_bytes()[:kept])
  with pytest.raises(UserError, match=r"a\.safetensors: not a readable safetensors file"):
    bundle.load(path)


@pytest.mark.parametrize("header", [None, {"format": "pt"}, {"llve_jax": "{}"}, {"llve_jax": "3"}])
def test_weights_of_another_library(tmp_path, header):
  path = tmp_path / "a.safetensors"
  path.write_bytes(safetensors.numpy.save({"weight": np.zeros(3, np.float32)}, metadata=header))
  with pytest.raises(UserError, match="says not which network it holds"):
    bundle.load(path)


def shapes(**leaves):
  return {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in leaves.items()}


def test_what_matches_passes():
  bundle.check_matches(VARIABLES, jax.eval_shape(lambda: VARIABLES), "file")


@pytest.mark.parametrize(
  ("found", "message"),
  [
    (shapes(a=(3,)), "file: .*: b is missing; use"),
    (shapes(a=(3,), b=(2,), c=(1,)), "c is surplus"),
    (shapes(a=(3,), b=(4, 2)), r"b has shape \(4, 2\), expected \(2,\)"),
  ],
)
def test_the_first_mismatches_are_named(found, message):
  with pytest.raises(UserError, match=message):
    bundle.check_matches(found, shapes(a=(3,), b=(2,)), "file")


def test_further_mismatches_are_counted():
  with pytest.raises(UserError, match=r"\(and 2 more\)"):
    bundle.check_matches({}, shapes(a=(), b=(), c=(), d=(), e=()), "file")
