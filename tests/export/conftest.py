"""A small network, its SavedModel, and a format that needs no TensorFlow."""

import flax.linen as nn
import jax
import numpy as np
import pytest

from llve_jax import models
from llve_jax.export import saved_model
from llve_jax.export.formats import Format
from llve_jax.methods.compiled import pure
from llve_jax.models.contract import Traits
from llve_jax.zoo.trained import Trained


def run(network: Trained, clip: np.ndarray) -> np.ndarray:
  """What the network makes of a clip here."""
  return np.asarray(jax.jit(pure(network.module))(network.variables, clip)[0])


KWARGS = {"widths": (4, 8), "bottleneck": 8, "cardinality": 2}


@pytest.fixture(scope="session")
def network() -> Trained:
  """A random network whose result is rarely clipped."""
  module = models.build("turntable_unet", **KWARGS)
  clip = 0.1 * np.random.default_rng(0).random((1, 2, 24, 24, 3), dtype=np.float32)
  variables = jax.jit(module.init)(jax.random.key(3), clip)
  variables["params"]["Conv_0"]["bias"] += 0.5
  return Trained("turntable_unet", KWARGS, module, variables, {"step": 3})


@pytest.fixture(scope="session")
def folder(network, tmp_path_factory):
  """The network as a SavedModel, not yet checked."""
  path = tmp_path_factory.mktemp("export") / "model"
  saved_model.write(network, path)
  return path


class Gain(nn.Module):
  """Multiplies by its only weight."""

  traits = Traits(stride=1, receptive_field=1)

  @nn.compact
  def __call__(self, clip, *, train=False):
    return {"clip": clip * self.param("gain", nn.initializers.constant(2.0), ())}


@pytest.fixture(scope="session")
def gain() -> Trained:
  clip = np.zeros((1, 1, 1, 1, 3), np.float32)
  return Trained("gain", {}, Gain(), Gain().init(jax.random.key(0), clip), {})


RUNNER = """
import sys, numpy as np
model, inputs, outputs = sys.argv[1:]
gain = np.load(model + "/gain.npy")
if np.all(gain == 0):
  raise RuntimeError("no such operation:\\n  Gain")
np.savez(outputs, **{name: gain * clip for name, clip in np.load(inputs).items()})
"""


@pytest.fixture
def numpy_format(tmp_path_factory):
  """Makes a format that writes the gain times `factor` into a folder, and runs it in numpy."""
  runner = tmp_path_factory.mktemp("runner") / "runner.py"
  runner.write_text(RUNNER)

  def make(factor: float = 1.0) -> Format:
    def write(network, path):
      path.mkdir()
      np.save(path / "gain.npy", factor * np.asarray(network.variables["params"]["gain"]))

    return Format(write, runner, "clip -> clip", "load {path!r}")

  return make
