"""The numbers of a report."""

import json
from pathlib import Path

import numpy as np
import pytest

from llve_jax.enhance.account import Account, check_report, write_report
from llve_jax.enhance.files import Enhanced
from llve_jax.errors import UserError
from llve_jax.metrics import harm
from llve_jax.ops.frames import to_16_bit, to_unit
from tests.methods.networks import noise

DARK = noise(1, 20, 30) // 6 + 3 * np.arange(12, dtype=np.uint8)[:, None, None, None]
BRIGHT = np.minimum(DARK.astype(int) * 7, 255).astype(np.uint8)


def account_of(before: np.ndarray, after: np.ndarray) -> Account:
  account = Account()
  for pair in zip(before, after, strict=True):
    account.add(*pair)
  return account


def test_short_clips_have_the_numbers_of_the_metrics() -> None:
  found = account_of(DARK, BRIGHT).numbers()
  whole = harm.harm(DARK, BRIGHT)
  assert found["clipped"]["after"] == pytest.approx(whole.burnt_after, abs=1e-5)
  assert found["clipped"]["before"] == 0.0
  assert found["flicker"]["after"] == pytest.approx(whole.flicker, abs=1e-5)
  assert found["harm"]["dark_ratio"] == pytest.approx(whole.dark_ratio, abs=1e-3)
  assert found["harm"]["bars"] is None
  luma = DARK.astype(float) @ [0.299, 0.587, 0.114]
  assert found["brightness"]["before"] == pytest.approx(luma.mean(), abs=1e-2)


def test_any_depth_and_size_are_compared() -> None:
  deep = account_of(to_16_bit(to_unit(DARK)), to_unit(BRIGHT)).numbers()
  assert deep == account_of(DARK, BRIGHT).numbers()
  larger = account_of(DARK, BRIGHT.repeat(2, 1).repeat(2, 2)).numbers()
  assert larger["harm"]["dark_ratio"] == pytest.approx(deep["harm"]["dark_ratio"], rel=0.02)
  assert Account().numbers() == {}


def test_memory_does_not_grow_with_the_length() -> None:
  account = Account()
  for index in range(300):
    account.add(DARK[index % 12], BRIGHT[index % 12])
    assert len(account._samples) <= 32
  assert len(account._samples) > 10
  assert account.numbers()["brightness"]["after"] > 50


def test_what_changes_at_a_cut_is_no_flicker() -> None:
  first = np.zeros((32, 48, 3), np.uint8)
  first[:, :24] = 200
  second = np.zeros((32, 48, 3), np.uint8)
  second[:4] = 90
  clip = np.stack([first, first, second, second])
  assert account_of(clip, clip).numbers()["flicker"] == {"before": 0.0, "after": 0.0}


def test_what_is_kept_is_spread_evenly() -> None:
  account = Account()
  for index in range(200):
    frame = np.full((4, 4, 3), index, np.uint8)
    account.add(frame, frame)
  assert [int(before[0, 0, 0]) for before, _ in account._samples] == list(range(0, 200, 8))


def test_what_is_written_is_json(tmp_path: Path) -> None:
  path = check_report(tmp_path / "report.json")
  enhanced = Enhanced(tmp_path / "b.mp4", 12, 30, 20, 2.0, faults=("lost",), rates={"reading": 9.0})
  write_report(path, "a.mp4", "gamma", enhanced, account_of(DARK, BRIGHT))
  found = json.loads(path.read_text())
  assert (found["frames"], found["frames_per_second"], found["model"]) == (12, 6.0, "gamma")
  assert (found["faults"], found["rates"]) == (["lost"], {"reading": 9.0})
  assert set(found["flicker"]) == {"before", "after"}


@pytest.mark.parametrize(
  ("name", "message"),
  [("report.txt", "is a .json file, found the suffix '.txt'"), ("no/a.json", "create it first")],
)
def test_where_it_cannot_be_written(tmp_path: Path, name: str, message: str) -> None:
  with pytest.raises(UserError, match=message):
    check_report(tmp_path / name)
