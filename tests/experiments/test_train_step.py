"""The parts of the benchmark of training; not its figures."""

import io
import json
import sys
from typing import Any

import jax
import numpy as np
import pytest

from experiments.benchmarks import train_step
from llve_jax import models

pytestmark = pytest.mark.usefixtures("standard_promotion")

TIMES = {
  "llve_jax": {"compile": 9.0, "forward": 0.1, "gradient": 0.4, "step": 0.5},
  "eager": {"compile": 1.0, "forward": 0.2, "gradient": 0.2, "step": 1.0},
  "compiled": {"compile": 60.0, "forward": 0.4, "gradient": 0.1, "step": 1.5},
}


class Fake:
  """A rival that answers as it is told to."""

  def __init__(self, parameters: int = 0, error: str = ""):
    self.asked: list[dict[str, Any]] = []
    self._made = {"error": error} if error else {"parameters": parameters, "seconds": 7.0}

  def ask(self, **request: Any) -> dict[str, Any]:
    self.asked.append(request)
    return self._made if "make" in request else {"seconds": float(len(self.asked))}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> int:
  """A small network where the benchmark asks for any; its number of parameters."""
  module = models.build("sid_unet", widths=(4, 6))
  monkeypatch.setattr(train_step.models, "build", lambda name: module)
  shapes = jax.eval_shape(module.init, jax.random.key(0), np.zeros((1, 1, 8, 8, 4), np.float32))
  return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def test_speed_is_that_of_the_faster_rival_over_ours():
  assert train_step.speeds(TIMES) == pytest.approx({"forward": 2.0, "gradient": 0.25, "step": 2.0})
  assert train_step.speeds({"llve_jax": TIMES["llve_jax"]}) == {}


def test_lines_of_a_row():
  found = train_step.lines("unet3d", TIMES)
  assert [line.split()[0] for line in found] == [
    "unet3d",
    "llve_jax",
    "eager",
    "compiled",
    "speed",
  ]
  assert found[1].split() == ["llve_jax", "100.0", "ms", "400.0", "ms", "500.0", "ms", "9.0", "s"]
  assert found[4].split() == ["speed", "2.00x", "0.25x", "2.00x"]
  alone = train_step.lines("unet3d", {"llve_jax": TIMES["llve_jax"]})
  assert len(alone) == 2


def test_all_take_turns_and_what_comes_first_does_not_count(tiny: int, capsys: Any):
  eager, broken = Fake(tiny), Fake(error="RuntimeError: no compiler")
  found = train_step.measure("any", (1, 1, 8, 8, 4), {"eager": eager, "compiled": broken}, 3)
  assert "compiled: RuntimeError: no compiler" in capsys.readouterr().out
  assert found.keys() == {"llve_jax", "eager"}
  made, *runs = eager.asked
  assert made == {"make": "any", "shape": [1, 1, 8, 8, 4], "compiled": False}
  assert [run["run"] for run in runs] == [kind for kind in train_step.KINDS for _ in "12"] * 4
  # The request number is the time: of each kind it is 6 more every turn, the median that of turn 2,
  # and of the two requests of a turn that of the second.
  assert found["eager"] == {"compile": 7.0, "forward": 15.0, "gradient": 17.0, "step": 19.0}
  assert all(seconds > 0 for seconds in found["llve_jax"].values())


def test_another_number_of_parameters_is_no_rival(tiny: int):
  with pytest.raises(AssertionError, match=str(tiny)):
    train_step.measure("any", (1, 1, 8, 8, 4), {"eager": Fake(tiny + 1)}, 1)  # type: ignore[dict-item]


def test_the_step_learns(tiny: int):
  del tiny
  ours = train_step.make_ours("any", (1, 1, 8, 8, 4))
  first, *_ = jax.tree.map(np.asarray, ours.calls["step"]())
  second, *_ = jax.tree.map(np.asarray, ours.calls["step"]())
  moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), first, second)
  assert min(jax.tree.leaves(moved)) > 0


def test_a_python_without_pytorch_says_so(tmp_path: Any):
  python = tmp_path / "python"
  python.write_text("#!/bin/sh\necho 'ModuleNotFoundError: no torch' >&2\nexit 1\n")
  python.chmod(0o755)
  rival = train_step.Theirs(str(python))
  assert rival.problem == "ModuleNotFoundError: no torch"
  rival.close()


SMALLEST = {"sid_unet": 4, "turntable_unet": 3, "recurrent_unet": 3, "unet3d": 4, "conv_lstm": 3}


@pytest.mark.parametrize("network", SMALLEST)
def test_networks_of_pytorch_are_as_large_as_ours(network: str):
  pytest.importorskip("torch", reason="PyTorch is not installed")
  from experiments.benchmarks import torch_clock

  shape = [1, 2, 32, 32, SMALLEST[network]]
  rival = torch_clock.Rival(network, shape, compiled=False)
  module = models.build(network)
  clip = jax.ShapeDtypeStruct(tuple(shape), np.float32)
  shapes = jax.eval_shape(module.init, jax.random.key(0), clip)
  assert rival.parameters == sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
  assert rival.seconds("step") > 0


def test_the_clock_answers_requests(monkeypatch: pytest.MonkeyPatch, capsys: Any):
  pytest.importorskip("torch", reason="PyTorch is not installed")
  from experiments.benchmarks import torch_clock

  make = {"make": "recurrent_unet", "shape": [1, 1, 16, 16, 3], "compiled": False}
  requests = [{"run": "step"}, make, {"run": "forward"}, {"make": "none"}]
  monkeypatch.setattr(sys, "stdin", io.StringIO("".join(json.dumps(x) + "\n" for x in requests)))
  torch_clock.main()
  early, made, ran, wrong = map(json.loads, capsys.readouterr().out.splitlines())
  assert early == {"error": "AssertionError: nothing was made"}
  assert made["parameters"] == 383_447
  assert ran["seconds"] > 0
  assert "KeyError" in wrong["error"]
