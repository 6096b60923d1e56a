import dataclasses

import jax
import numpy as np
import pytest

from llve_jax.export import manifest
from llve_jax.export.options import Options
from llve_jax.export.parity import Parity, Trial
from llve_jax.zoo.shipped import SHIPPED


def test_the_hash_is_of_the_weights(network):
  found = manifest.weights_hash(network)
  same = dataclasses.replace(network, variables=jax.tree.map(np.array, network.variables))
  assert manifest.weights_hash(same) == found
  moved = jax.tree.map(lambda leaf: np.nextafter(leaf, np.float32(9)), network.variables)
  assert manifest.weights_hash(dataclasses.replace(network, variables=moved)) != found


def test_the_hash_is_of_names_and_shapes_too(network):
  row = np.arange(4, dtype=np.float32)
  trees = ({"a": row}, {"b": row}, {"a": row.reshape(2, 2)})
  found = [
    manifest.weights_hash(dataclasses.replace(network, variables={"params": tree}))
    for tree in trees
  ]
  assert len(set(found)) == 3


@pytest.mark.parametrize("name", ["night", "night-research"])
def test_a_shipped_network_brings_its_card_and_licence(tmp_path, network, name):
  manifest.add_card(tmp_path, name)
  parity = Parity((Trial("clips", 0.0, 0.0, np.inf),), 0.0)
  said = manifest.of(network, "saved_model", Options(), ["one"], parity, tmp_path, name)
  weights = said["weights"]
  assert weights["licence"] == SHIPPED[name].licence
  assert weights["research_only"] == (name == "night-research")
  assert name in (tmp_path / weights["card"]).read_text()
  assert (said["size"], said["calibrated_by"], said["precision"]) == (None, None, "float32")
  assert list(said["files"]) == [manifest.CARD]
  assert said["parity"]["trials"]["clips"]["psnr"] is None  # JSON knows no infinity
  assert said["versions"].keys() >= {"llve_jax", "jax", "tensorflow"}


def test_other_networks_bring_none(tmp_path, network):
  manifest.add_card(tmp_path, None)
  assert not any(tmp_path.iterdir())
