"""Every entry of MODELS runs in TensorFlow as it does here: clips, and frames with a memory."""

import jax
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.export import saved_model, signatures
from llve_jax.export.probes import at_least, noise, scene
from llve_jax.zoo.trained import Trained
from tests.export.conftest import run
from tests.models.tiny_networks import TINY
from tests.models.tiny_networks import network as tiny

# Of each network its first form, and those with other inputs.
FORMS = [(name, 0) for name in TINY] + [("sid_unet", 1), ("smid_resunet", 1), ("conv_lstm", 1)]


@pytest.fixture(scope="module", params=FORMS, ids=str)
def exported(request, tmp_path_factory):
  """(network, its signatures, the SavedModel as loaded)."""
  name, index = request.param
  module, variables, _ = tiny(name, index)
  network = Trained(name, TINY[name][index], module, jax.tree.map(np.asarray, variables), {})
  offered = signatures.of(network)
  path = tmp_path_factory.mktemp(name) / "model"
  saved_model.save(path, *saved_model.as_functions(network, offered))
  return network, offered, tf.saved_model.load(str(path))


def close(found, expected) -> None:
  assert found.shape == expected.shape
  scale = max(1.0, float(np.abs(expected).max()))
  np.testing.assert_allclose(found, expected, atol=5e-5 * scale)


def test_clips_of_any_size(exported):
  network, _, loaded = exported
  traits = network.traits
  for size in ((1, 1, 1, 1), (3, 2, 9, 21)):
    clip = noise(at_least(traits, size), traits, 0)
    found = loaded.signatures["serving_default"](clip=tf.constant(clip))["clip"].numpy()
    expected = run(network, clip)
    side = traits.scale
    assert expected.shape == (*clip.shape[:2], clip.shape[2] * side, clip.shape[3] * side, 3)
    close(found, expected)


def test_fifty_frames_one_by_one(exported):
  network, offered, loaded = exported
  assert set(loaded.signatures) == {each.name for each in offered}
  if not network.traits.streaming:
    assert set(loaded.signatures) == {"serving_default"}
    return
  clip = scene((2, 50, 19, 24), network.traits)
  result = loaded.signatures["start"](frame=tf.constant(clip[:, 0]))
  frames = [result.pop("frame").numpy()]
  for index in range(1, 50):
    result = loaded.signatures["next"](frame=tf.constant(clip[:, index]), **result)
    frames.append(result.pop("frame").numpy())
  close(np.stack(frames, axis=1), run(network, clip))
