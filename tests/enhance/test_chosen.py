"""What is wrapped around a method, and when."""

import dataclasses
import os

import numpy as np
import pytest

from llve_jax.enhance import chosen
from llve_jax.enhance.options import Options
from llve_jax.methods import Mixed, Steadied
from llve_jax.methods.light import Undeveloped
from llve_jax.methods.method import Method
from llve_jax.models.contract import Traits
from tests.methods.networks import of_function

SINGLE = Traits(1, 1)
RAW = Traits(1, 1, input_kind="raw_rgb")
STREAMS = Traits(1, 1, streaming=True)


def network(traits: Traits) -> Method:
  return of_function(lambda clip, *carry: clip, traits)[0]


@pytest.mark.parametrize(
  ("traits", "asked", "steadied"),
  [
    (SINGLE, None, True),
    (RAW, None, True),
    (STREAMS, None, False),
    (Traits(1, 1, frames=3), None, False),
    (SINGLE, False, False),
    (STREAMS, True, True),
  ],
)
def test_networks_of_single_frames_are_steadied(
  traits: Traits, asked: bool | None, steadied: bool
) -> None:
  method = chosen.for_srgb(network(traits))
  adjusted = chosen.adjusted(method, stabilise=asked, strength=1.0, say=print)
  assert isinstance(adjusted, Steadied) == steadied
  assert steadied or adjusted is method


def test_a_classic_method_is_only_where_it_is_asked_for() -> None:
  method = chosen.load("gamma", tile=None, batch=None, rows=1)
  assert chosen.adjusted(method, stabilise=None, strength=1.0, say=print) is method
  said: list[str] = []
  mixed = chosen.adjusted(method, stabilise=True, strength=0.5, say=said.append)
  assert isinstance(mixed, Mixed)
  assert mixed(np.zeros((2, 8, 8, 3), np.uint8)).shape == (2, 8, 8, 3)
  assert said == ["flicker 0.00 % -> 0.00 %, steadied"]


def test_what_is_said_of_how_frames_are_run() -> None:
  said: list[str] = []
  chosen.tell("gamma", chosen.load("gamma", tile=None, batch=None, rows=1), 4, 6, said.append)
  chosen.tell("run", Undeveloped(network(RAW)), 4, 6, said.append)
  assert len(said) == 1
  assert said[0].startswith("run: function: 6x4, whole")
  assert said[0].endswith("compiling, once (the next run is faster) ...")


@pytest.mark.parametrize("inside", ["weights.safetensors", "run/weights.safetensors"])
def test_other_weights_under_the_same_name_make_other_pictures(tmp_path, inside):
  """What earlier ones have made of a film is not gone on with."""
  weights = tmp_path / inside
  weights.parent.mkdir(exist_ok=True)
  weights.write_bytes(b"one")
  options = Options(model=str(weights if weights.parent == tmp_path else weights.parent))
  before = options.decisive("plan")
  assert dataclasses.replace(options, quiet=True, part=9).decisive("plan") == before
  assert dataclasses.replace(options, strength=0.5).decisive("plan") != before
  assert options.decisive("another plan") != before
  later = weights.stat().st_mtime_ns + 10**9
  weights.write_bytes(b"two")
  os.utime(weights, ns=(later, later))
  assert options.decisive("plan") != before
