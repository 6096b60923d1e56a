"""Small networks, one as a SavedModel, and a format that needs no TensorFlow."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax import models
from llve_jax.export import parity, saved_model
from llve_jax.export.formats import Format
from llve_jax.export.probes import Probe, noise
from llve_jax.methods.compiled import pure
from llve_jax.models.contract import Traits
from llve_jax.zoo.trained import Trained


def run(network: Trained, clip: np.ndarray) -> np.ndarray:
  """What the network makes of a clip here."""
  return np.asarray(jax.jit(pure(network.module))(network.variables, clip)[0])


@pytest.fixture(scope="session", autouse=True)
def quick_compilation():
  """Fresh processes compile as quickly as this one; both flags are known to TensorFlow's XLA."""
  flags = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(parity, "XLA_FLAGS", flags)
    yield


KWARGS = {"features": 4, "iterations": 2, "deviation": 0.3}


@pytest.fixture(scope="session")
def network() -> Trained:
  """One that compiles quickly, with weights that matter."""
  return dataclasses.replace(random_network("zero_dce", **KWARGS), origin={"step": 3})


@pytest.fixture(scope="session")
def folder(network, tmp_path_factory):
  """The network as a SavedModel, not yet compared with it."""
  path = tmp_path_factory.mktemp("export") / "model"
  saved_model.write(network, path)
  return path


def random_network(name: str, **kwargs) -> Trained:
  """A network with random weights, which are small where they are added."""
  module = models.build(name, **kwargs)
  traits = module.traits
  side = max(traits.stride, traits.least_side)
  clip = np.zeros((1, traits.least_frames, side, side, traits.channels), np.float32)
  shapes = jax.eval_shape(module.init, jax.random.key(0), clip)
  rng = np.random.default_rng(0)

  def leaf(shape):
    values = rng.normal(size=shape.shape).astype(np.float32)
    return values / np.float32(np.sqrt(max(1, np.prod(shape.shape[:-1]))))

  return Trained(name, kwargs, module, jax.tree.map(leaf, shapes), {})


# Two levels, which is half the operations to convert.
STREAMING = {"widths": (4, 6), "blocks": (0, 1), "decoder_blocks": (0,), "code": 8}


@pytest.fixture(scope="session")
def streaming() -> Trained:
  """One that hands on what it remembers."""
  return random_network("recurrent_unet", **STREAMING)


@pytest.fixture(scope="session")
def xtrans() -> Trained:
  """One for raw light, with 9 channels and frames three times as large."""
  return random_network("sid_unet", widths=(4, 6), input_kind="xtrans")


class Trail(nn.Module):
  """Mixes each frame with those before it."""

  traits = Traits(stride=1, receptive_field=1, streaming=True)

  @nn.compact
  def __call__(self, clip, carry=None, *, train=False):
    rate = self.param("rate", nn.initializers.constant(0.5), ())
    first = jax.lax.index_in_dim(clip, 0, 1, keepdims=False)
    past = {"frame": first, "seen": jnp.zeros(clip.shape[0])} if carry is None else carry

    def step(past, frame):
      mixed = past["frame"] + rate * (frame - past["frame"])
      return {"frame": mixed, "seen": past["seen"] + 1.0}, mixed

    one = 2 if clip.shape[1] == 1 else 1  # a single frame is no loop
    last, mixed = jax.lax.scan(step, past, jnp.swapaxes(clip, 0, 1), unroll=one)
    return {"clip": jnp.swapaxes(mixed, 0, 1), "carry": last}


@pytest.fixture(scope="session")
def trail() -> Trained:
  """One that remembers, and compiles at once."""
  clip = np.zeros((1, 1, 1, 1, 3), np.float32)
  return Trained("trail", {}, Trail(), Trail().init(jax.random.key(0), clip), {})


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


class SignedGain(Gain):
  """The same for values from -1 to 1."""

  traits = Traits(stride=1, receptive_field=1, value_range=(-1.0, 1.0))


@pytest.fixture(scope="session")
def signed_gain(gain) -> Trained:
  return dataclasses.replace(gain, module=SignedGain())


GAIN_SIZES = ((1, 1, 3, 5), (2, 3, 4, 1))


def gain_probes() -> list[Probe]:
  return [
    Probe("serving_default", noise(size, Gain.traits, seed)) for seed, size in enumerate(GAIN_SIZES)
  ]


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
    def write(network, path, options=None):
      path.mkdir()
      np.save(path / "gain.npy", factor * np.asarray(network.variables["params"]["gain"]))
      return ["serving_default: clip -> clip"]

    return Format(lambda network, options: gain_probes(), write, runner, "load {path!r}")

  return make
