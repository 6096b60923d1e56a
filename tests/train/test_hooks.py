import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from tensorboardX import SummaryWriter

from llve_jax.errors import UserError
from llve_jax.train import hooks
from llve_jax.train.clock import Clock
from llve_jax.train.meter import Meter
from llve_jax.train.state import State, Trainable


class Writer:
  """Remembers what a SummaryWriter would write."""

  def __init__(self) -> None:
    self.scalars: list[tuple[str, float, int]] = []
    self.images: list[str] = []

  def add_scalar(self, name: str, value: float, step: int) -> None:
    self.scalars.append((name, value, step))

  def add_image(self, name: str, picture: np.ndarray, step: int, dataformats: str) -> None:
    assert dataformats == "HWC"
    assert picture.ndim == 3
    self.images.append(name)

  def flush(self) -> None:
    pass


def state(value: float = 0.0) -> State:
  network = Trainable({"w": jnp.array(value)}, {}, ())
  return State(
    step=jnp.int32(0),
    key=jnp.zeros(2),
    generator=network,
    critics={},
    average=network.variables,
    memory={},
    rate=jnp.float32(1),
    frozen={"vgg": jnp.ones(3)},
  )


def log(every: int = 2, also: tuple[int, ...] = ()) -> tuple[hooks.Log, Writer]:
  writer = Writer()
  return hooks.Log(writer, Meter(writer, Clock()), total=10, every=every, also=also), writer


def test_the_writer_has_what_tensorboardx_has() -> None:
  for method in ("add_scalar", "add_image", "flush"):
    assert callable(getattr(SummaryWriter, method))


def test_log_averages_the_steps_since_the_last_line(capsys: pytest.CaptureFixture) -> None:
  hook, writer = log(every=2)
  hook(1, state(), {"loss": jnp.array(1.0)})
  assert writer.scalars == []
  hook(2, state(), {"loss": jnp.array(3.0)})
  assert ("loss", 2.0, 2) in writer.scalars
  line = capsys.readouterr().out
  assert "step 2/10" in line
  assert "loss 2" in line
  assert "s/step" in line


def test_log_copes_with_a_term_that_begins_in_between(capsys: pytest.CaptureFixture) -> None:
  hook, writer = log(every=2)
  hook(1, state(), {"loss": jnp.array(1.0)})
  hook(2, state(), {"loss": jnp.array(1.0), "loss/cobi": jnp.array(7.0)})
  assert ("loss/cobi", 7.0, 2) in writer.scalars
  assert "cobi 7" in capsys.readouterr().out


def test_log_names_the_step_and_term_that_is_not_finite() -> None:
  hook, _ = log(every=3)
  good = {"loss": jnp.array(1.0), "loss/tv": jnp.array(0.0)}
  hook(1, state(), good)
  hook(2, state(), {**good, "loss/tv": jnp.array(jnp.nan)})
  with pytest.raises(UserError, match=r"step 2: loss/tv = nan"):
    hook(3, state(), good)


@pytest.mark.parametrize("step", [6, 10])
def test_log_checks_before_a_save_and_at_the_end(step: int) -> None:
  hook, _ = log(every=100, also=(6,))  # of 10
  hook(3, state(), {"loss": jnp.array(1.0)})
  with pytest.raises(UserError, match=f"step {step}"):
    hook(step, state(), {"loss": jnp.array(jnp.inf)})


def test_log_writes_the_rate_that_the_step_took() -> None:
  writer = Writer()
  rate = {0: 0.5, 1: 0.25}.get
  hook = hooks.Log(writer, Meter(writer, Clock()), total=10, every=1, rate=rate)
  hook(1, state(), {"loss": jnp.array(1.0)})
  hook(2, dataclasses.replace(state(), rate=jnp.float32(0.5)), {"loss": jnp.array(1.0)})
  rates = [entry[1:] for entry in writer.scalars if entry[0] == "learning_rate"]
  assert rates == [(0.5, 1), (0.125, 2)]


def test_a_value_that_is_not_finite_is_explained() -> None:
  writer = Writer()
  asked: list[int] = []

  def explain(step: int) -> str:
    asked.append(step)
    return ". The batch was strange"

  hook = hooks.Log(writer, Meter(writer, Clock()), total=10, every=2, explain=explain)
  hook(1, state(), {"loss": jnp.array(1.0)})
  with pytest.raises(UserError, match=r"loss = inf.*The batch was strange"):
    hook(2, state(), {"loss": jnp.array(jnp.inf)})
  assert asked == [2]


def test_duration() -> None:
  assert [hooks.duration(s) for s in (3.2, 61, 7_320)] == ["3 s", "1 min 01 s", "2 h 02 min"]


@pytest.mark.parametrize(
  ("step", "every", "last", "expected"),
  [
    (4, 2, False, True),
    (3, 2, False, False),
    (3, 2, True, True),
    (3, 0, False, False),
    (0, 2, False, False),
  ],
)
def test_due(step: int, every: int, last: bool, expected: bool) -> None:
  assert hooks.due(step, every, last=last) is expected


def test_evaluate_keeps_the_best(capsys: pytest.CaptureFixture) -> None:
  scores = iter([20.0, 22.0, 21.0])
  kept: list[tuple[int, float]] = []
  published: list[list[float]] = []

  def score(variables: Any) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    return {"psnr": next(scores), "ssim": 0.5}, {"clip": np.zeros((2, 2, 3), np.uint8)}

  memory: dict[str, Any] = {}
  writer = Writer()
  hook = hooks.Evaluate(
    writer,
    Clock(),
    score,
    lambda variables, step, metrics: kept.append((step, float(variables["params"]["w"]))),
    memory,
    every=2,
    publish=lambda history: published.append([entry["psnr"] for entry in history]),
  )
  for step in range(1, 6):
    given = state(step)
    assert hook(step, given, last=step == 5) is given
  hook(5, state(), last=True)  # as where a run that is done is started again: not once more
  assert kept == [(2, 2.0), (4, 4.0)]
  assert memory["best"] == {"step": 4, "psnr": 22.0, "ssim": 0.5}
  assert published == [[20.0], [20.0, 22.0], [20.0, 22.0, 21.0]]
  assert [entry["step"] for entry in memory["history"]] == [2, 4, 5]
  assert memory["last"] == {"step": 5, "psnr": 21.0, "ssim": 0.5}
  assert ("eval/psnr", 22.0, 4) in writer.scalars
  assert writer.images == ["eval/clip"] * 3


def test_the_average_is_what_is_scored_and_kept() -> None:
  trained = dataclasses.replace(state(1.0), average=state(2.0).average)
  seen: list[float] = []

  def score(variables: Any) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    seen.append(float(variables["params"]["w"]))
    return {"psnr": 20.0}, {}

  def keep(variables: Any, step: int, metrics: dict[str, float]) -> None:
    seen.append(float(variables["params"]["w"]))

  hook = hooks.Evaluate(Writer(), Clock(), score, keep, {}, every=1)
  hook(1, trained, last=False)
  assert seen == [2.0, 2.0]


def test_weights_are_chosen_from_the_last_phase() -> None:
  """Fine-tuning may cost PSNR: without its own best, a run would give the weights of before."""
  scores = iter([20.0, 25.0, 19.0, 21.0, 20.0])
  kept: list[int] = []
  memory: dict[str, Any] = {}

  def hook() -> hooks.Evaluate:
    return hooks.Evaluate(
      Writer(),
      Clock(),
      lambda variables: ({"psnr": next(scores)}, {}),
      lambda variables, step, metrics: kept.append(step),
      memory,
      every=2,
      since=4,  # the last phase is steps 5 to 10
    )

  first, again = hook(), hook()  # as after a restart
  for step in range(2, 11, 2):
    (first if step < 8 else again)(step, state(), last=False)
  assert kept == [2, 4, 6, 8]
  assert memory["best"] == {"step": 8, "psnr": 21.0}


def test_evaluate_remembers_the_best_of_before_a_restart() -> None:
  kept: list[int] = []
  scores = iter([20.0, 25.0])
  hook = hooks.Evaluate(
    Writer(),
    Clock(),
    lambda variables: ({"psnr": next(scores)}, {}),
    lambda variables, step, metrics: kept.append(step),
    {"best": {"psnr": 25.0, "step": 1}},
    every=1,
  )
  for step in (2, 3):  # one that is as good is no better
    hook(step, state(), last=False)
  assert kept == []


def test_save_leaves_the_frozen_weights_out() -> None:
  class Checkpoints:
    saved: list[tuple[int, State, Any, dict]] = []  # noqa: RUF012
    scores: list[float | None] = []  # noqa: RUF012
    checks: list[int] = []  # noqa: RUF012

    def check(self) -> None:
      self.checks.append(len(self.saved))

    def save(self, *args: Any, score: float | None) -> None:
      self.saved.append(args)
      self.scores.append(score)

  memory = {"best": {"psnr": 1.0, "step": 6}, "last": {"psnr": 0.5, "step": 6}}
  hook = hooks.Save(Checkpoints(), "iterator", Clock(), memory, start=0, every=3)
  for step in range(1, 8):
    hook(step, state(), last=step == 7)
  assert [entry[0] for entry in Checkpoints.saved] == [3, 6, 7]
  assert all(entry[1].frozen == () for entry in Checkpoints.saved)
  assert Checkpoints.saved[0][2:] == ("iterator", memory)
  assert Checkpoints.checks == [0, 0, 1, 1]  # a failure in the background shows early
  assert Checkpoints.scores == [None, 0.5, None]  # that of an evaluation of the very step


def test_flush_writes_what_is_pending_and_nothing_twice(capsys: pytest.CaptureFixture) -> None:
  hook, writer = log(every=10)
  hook(1, state(), {"loss": jnp.array(4.0)})
  hook.flush(1, state())
  hook.flush(1, state())
  assert [entry for entry in writer.scalars if entry[0] == "loss"] == [("loss", 4.0, 1)]
  assert capsys.readouterr().out.count("step 1/10") == 1


class Saved:
  """Checkpoints that note what they are told to save."""

  def __init__(self) -> None:
    self.entries: list[tuple[int, dict[str, Any]]] = []

  def save(self, step: int, state: Any, iterator: Any, memory: Any, *, score: Any) -> None:
    self.entries.append((step, memory))


def test_what_a_checkpoint_holds_already_is_not_saved_again() -> None:
  checkpoints, memory = Saved(), {"best": {"psnr": 1.0}}
  hook = hooks.Save(checkpoints, "iterator", Clock(), memory, start=4, every=2)
  hook(4, state(), last=True)  # a run that is done is started again
  hook.now(4, state())
  assert checkpoints.entries == []
  memory["last"] = {"step": 4}  # found out since
  hook(4, state(), last=False)
  hook.now(4, state())
  assert checkpoints.entries == [(4, {"best": {"psnr": 1.0}, "last": {"step": 4}})]
