import dataclasses

import pytest

from llve_jax.errors import UserError
from llve_jax.prepare.settings import Settings, differences, save

BAD = {
  "mode": "film",
  "match": "best",
  "crops": "five",
  "denoise": "median",
  "on_error": "stop",
  "size": 0,
  "min_mean": -1.0,
  "min_step": -1,
  "min_correlation": 1.5,
  "max_shift": 0.0,
  "max_offset": -1,
  "match_height": 4,
  "register_blur": float("nan"),
}


@pytest.mark.parametrize("name", BAD)
def test_values_that_make_no_sense(name):
  Settings().check()
  with pytest.raises(UserError, match=f"--{name}={BAD[name]}: expected"):
    dataclasses.replace(Settings(), **{name: BAD[name]}).check()


def test_differences_are_named(tmp_path):
  save(Settings(), tmp_path / "shoot", tmp_path)
  assert differences(Settings(), tmp_path / "shoot", tmp_path) == []
  assert differences(Settings(on_error="skip"), tmp_path / "shoot", tmp_path) == []
  assert differences(Settings(size=256), tmp_path / "shoot", tmp_path) == ["size: 512 -> 256"]
  (other,) = differences(Settings(), tmp_path / "other", tmp_path)
  assert other.startswith("shoot: ")


def test_damaged_settings(tmp_path):
  (tmp_path / "settings.json").write_text("{")
  with pytest.raises(UserError, match=r"settings\.json: expected the settings of an earlier run"):
    differences(Settings(), tmp_path, tmp_path)
