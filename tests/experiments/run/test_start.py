"""What a run begins with: weights of another run, a part of them, or torchvision's encoder."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from experiments.run import start
from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.io import bundle
from llve_jax.models.resnet_encoder import ResNetEncoder
from llve_jax.zoo import import_resnet

FIELDS = {"width": 4, "blocks": (1,), "widths": (4,)}


@pytest.fixture(scope="module")
def fresh():
  module = models.build("cnn3d", **FIELDS)
  return jax.jit(module.init)(jax.random.key(0), jnp.zeros((1, 1, 32, 32, 3)))


def test_an_encoder_takes_the_place_of_the_fresh_one(monkeypatch, tmp_path, fresh) -> None:
  """All other weights stay; which name of torchvision's is which is a test of the importer."""
  encoder = ResNetEncoder(width=4, blocks=(1,))
  wanted = jax.jit(encoder.init)(jax.random.key(1), jnp.zeros((1, 32, 32, 3)))
  (tmp_path / "resnet.pth").touch()
  monkeypatch.setattr(start.torch_weights, "read_tensors", lambda path: {"path": path})

  def convert(tensors, form, *, source):
    assert (form.width, form.blocks, source) == (4, (1,), tensors["path"])
    return wanted

  monkeypatch.setattr(import_resnet, "convert", convert)
  found = bundle.flatten(start.pretrained_encoder(str(tmp_path / "resnet.pth"), FIELDS, fresh))
  before, given = bundle.flatten(fresh), bundle.flatten(wanted)
  taken = 0
  for name, value in found.items():
    kind, _, rest = name.partition("/features/encoder/")
    expected = given[f"{kind}/{rest}"] if rest else before[name]
    np.testing.assert_array_equal(value, expected)
    taken += bool(rest)
  assert taken == len(given)


def test_a_file_that_is_not_there_is_named(fresh) -> None:
  with pytest.raises(UserError, match=r"nowhere\.pth: not found; model\.encoder_weights names"):
    start.pretrained_encoder("nowhere.pth", FIELDS, fresh)
  with pytest.raises(UserError, match=r"nowhere: not found; train\.init_from names"):
    start.initial_weights("nowhere", fresh)


def test_a_smaller_network_begins_with_its_part_of_a_larger_one(tmp_path) -> None:
  large = {"params": {"a": {"kernel": jnp.ones(3)}, "b": {"kernel": jnp.zeros(2)}}}
  small = {"params": {"a": {"kernel": jnp.zeros(3)}}}
  bundle.save(tmp_path / "large.safetensors", bundle.Bundle("night", {}, large, {}))
  path = str(tmp_path / "large.safetensors")
  found = start.initial_weights(path, small, part=True)
  np.testing.assert_array_equal(found["params"]["a"]["kernel"], 1)
  assert found["params"].keys() == {"a"}
  with pytest.raises(UserError, match="b/kernel"):
    start.initial_weights(path, small)


def test_weights_of_sixteen_bits_are_trained_in_thirty_two(tmp_path) -> None:
  shipped = {"params": {"a": {"kernel": jnp.full(3, 0.5, jnp.float16)}}}
  expected = {"params": {"a": {"kernel": jnp.zeros(3)}}}
  bundle.save(tmp_path / "w.safetensors", bundle.Bundle("night", {}, shipped, {}))
  found = start.initial_weights(str(tmp_path / "w.safetensors"), expected)
  np.testing.assert_array_equal(
    found["params"]["a"]["kernel"], np.full(3, 0.5, np.float32), strict=True
  )


def test_the_encoder_of_a_safetensors_file_is_timm_s(tmp_path, fresh) -> None:
  """Its layers are called as torchvision's; a classifier may be there or not."""
  tensors = {"conv1.weight": np.full((4, 3, 7, 7), 0.5, np.float32)}
  for name in ("layer1.0.conv1", "layer1.0.conv2"):
    tensors[f"{name}.weight"] = np.full((4, 4, 3, 3), 0.25, np.float32)
  for name in ("bn1", "layer1.0.bn1", "layer1.0.bn2"):
    for part in ("weight", "bias", "running_mean", "running_var"):
      tensors[f"{name}.{part}"] = np.ones(4, np.float32)
  path = tmp_path / "model.safetensors"
  save_file(tensors, path)
  found = bundle.flatten(start.pretrained_encoder(str(path), FIELDS, fresh))
  (stem,) = (
    value for name, value in found.items() if "encoder/stem" in name and name.endswith("kernel")
  )
  np.testing.assert_array_equal(stem, 0.5)
  path.write_bytes(b"nothing")
  with pytest.raises(UserError, match=r"model\.safetensors: not a readable safetensors file"):
    start.pretrained_encoder(str(path), FIELDS, fresh)
