import h5py
import jax
import numpy as np
import pytest
from flax import traverse_util

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.io import bundle
from llve_jax.methods.compiled import pure
from llve_jax.zoo import import_weights, importers
from llve_jax.zoo.renaming import KERAS_KERNEL, KERAS_TRANSPOSED, TORCH_KERNEL, VECTOR, sample
from tests import commands

FILES = {
  "mbllen": "mbllen_LOL_img_lowlight.h5",
  "sci": "sci_medium.pt",
  "zero_dce": "zero_dce_epoch99.pth",
}


def test_every_importer_names_a_network_and_a_licence():
  assert FILES.keys() == importers.IMPORTERS.keys()
  for importer in importers.IMPORTERS.values():
    module = models.build(importer.model, **importer.fields)
    assert jax.eval_shape(module.init, jax.random.key(0), sample(module))
    assert importer.origin.startswith("github.com/")
    assert importer.license


@pytest.mark.parametrize("layout", [VECTOR, KERAS_KERNEL, KERAS_TRANSPOSED, TORCH_KERNEL])
def test_a_layout_knows_the_shape_in_the_file(layout):
  theirs = np.random.default_rng(0).random((2, 3, 4, 5)[: len(layout.axes)])
  ours = layout.ours(theirs)
  assert layout.theirs(ours.shape) == theirs.shape
  np.testing.assert_array_equal(np.sort(ours, axis=None), np.sort(theirs, axis=None))


def test_layouts_put_every_number_where_it_belongs():
  torch = np.random.default_rng(0).random((2, 3, 4, 5))  # out, in, height, width
  assert TORCH_KERNEL.ours(torch)[3, 2, 1, 0] == torch[0, 1, 3, 2]
  keras = np.random.default_rng(0).random((4, 5, 2, 3))  # height, width, out, in
  assert KERAS_TRANSPOSED.ours(keras)[0, 1, 2, 1] == keras[3, 3, 1, 2]


@pytest.mark.parametrize("name", FILES)
def test_a_published_network_survives_the_round_trip(published, real_frames, tmp_path, name):
  network = importers.load(published(FILES[name]), name)
  importers.save(network, tmp_path / "out.safetensors")
  read = bundle.load(tmp_path / "out.safetensors")
  module = models.build(read.name, **read.kwargs)
  found = jax.jit(module.apply)(read.variables, real_frames[None])["clip"]
  expected = jax.jit(pure(network.module))(network.variables, real_frames[None])[0]
  np.testing.assert_allclose(np.clip(found, 0, 1), expected, atol=1e-6)
  assert read.origin["imported"] == FILES[name]
  assert read.origin["license"] == importers.IMPORTERS[name].license


def small_mbllen(path):
  """A file whose arrays have the published names and shapes, so that no data are needed."""
  module = models.build("mbllen")
  shapes = jax.eval_shape(module.init, jax.random.key(0), sample(module))
  random = np.random.default_rng(0)
  with h5py.File(path, "w") as file:
    for name, leaf in traverse_util.flatten_dict(shapes["params"], sep="/").items():
      *layers, part = name.split("/")
      if layers == ["fusion"]:
        theirs = "conv2d_51"
      elif layers[0].startswith("feature"):
        theirs = f"conv2d_{5 * int(layers[0].split('_')[1]) + 1}"
      else:
        block = int(layers[0].split("_")[1])
        inner = ("entry", "shrink_0", "shrink_1", "shrink_2")
        theirs = (
          f"conv2d_{5 * block + 2 + inner.index(layers[1])}"
          if layers[1] in inner
          else f"conv2d_transpose_{3 * block + 1 + int(layers[1][-1])}"
        )
      shape = leaf.shape
      if "transpose" in theirs and part == "kernel":
        shape = (*shape[:2], shape[3], shape[2])
      file[f"{theirs}/{theirs}/{part}:0"] = random.normal(size=shape).astype(np.float32)


def test_the_command_writes_a_file_that_holds_the_same_network(tmp_path):
  small_mbllen(tmp_path / "a.h5")
  said = import_weights.run(str(tmp_path / "a.h5"), str(tmp_path / "b.safetensors"), "mbllen")
  assert "b.safetensors: mbllen, 450,171 parameters" in said
  assert "licence Apache-2.0" in said
  read = bundle.load(tmp_path / "b.safetensors")
  expected = importers.load(tmp_path / "a.h5", "mbllen").variables
  jax.tree.map(np.testing.assert_array_equal, read.variables, expected)


def test_the_command_asks_for_what_is_missing(tmp_path):
  with pytest.raises(UserError, match=r"which network is a\.h5\? pass --model=NAME, one of: mbl"):
    import_weights.run("a.h5", "b.safetensors", None)
  done = commands.run("llve_jax.zoo.import_weights", "--model=sci", "a.pt")
  assert done.returncode == 2
  assert done.stderr == "error: expected two paths, FILE and OUT; found 1: a.pt\n"


def test_bad_input_is_named(tmp_path):
  with pytest.raises(UserError, match=r"no importer is called 'x'; known: mbllen, sci, zero_dce"):
    importers.load("a.pt", "x")
  with pytest.raises(UserError, match=r"nothing\.h5: no such file"):
    importers.load(tmp_path / "nothing.h5", "mbllen")
  small_mbllen(tmp_path / "a.h5")
  with pytest.raises(UserError, match=r"a\.h5: expected what torch\.save writes"):
    importers.load(tmp_path / "a.h5", "sci")
  network = importers.load(tmp_path / "a.h5", "mbllen")
  with pytest.raises(UserError, match=r"out\.h5: weights are written as \.safetensors"):
    importers.save(network, tmp_path / "out.h5")
