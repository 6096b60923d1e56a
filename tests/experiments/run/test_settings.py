import json
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from experiments.configs import turntable_gan
from experiments.run.settings import FREE, check_settings, differences, fingerprint
from llve_jax.errors import UserError


def written(folder: Path, config: ConfigDict) -> Path:
  path = folder / "config.json"
  path.write_text(config.to_json_best_effort(indent=2))
  return path


def test_the_same_settings_go_on(tmp_path: Path) -> None:
  config = turntable_gan.get_config("smoke")
  check_settings(tmp_path / "config.json", config)  # a new folder
  check_settings(written(tmp_path, config), turntable_gan.get_config("smoke"))


def test_what_the_result_does_not_depend_on_may_change(tmp_path: Path) -> None:
  path = written(tmp_path, turntable_gan.get_config("smoke"))
  config = turntable_gan.get_config("smoke")
  config.mesh.update(rows=2, parameters="fsdp")
  config.data.dir = "/elsewhere"
  config.train.update(save_every=7, keep_every=3, keep_best=True)
  config.profile = 5
  check_settings(path, config)


def test_what_it_depends_on_is_named(tmp_path: Path) -> None:
  path = written(tmp_path, turntable_gan.get_config("smoke"))
  config = turntable_gan.get_config("smoke")
  config.data.batch = 16
  config.optimizer.rate = 0.5
  del config.phases.finetune
  with pytest.raises(UserError) as caught:
    check_settings(path, config)
  message = str(caught.value)
  assert message.startswith(f"{tmp_path}: this run was begun with other settings: ")
  assert "data.batch is 16, was 2" in message
  assert "optimizer.rate is 0.5, was 0.0002" in message
  assert "phases.finetune.loss.cobi_vgg16 is 'nothing', was" in message
  assert "--allow_changes" in message


def test_many_differences_are_counted(tmp_path: Path) -> None:
  path = tmp_path / "config.json"
  path.write_text(json.dumps({str(number): 0 for number in range(10)}))
  with pytest.raises(UserError, match=r"and [0-9]+ more"):
    check_settings(path, turntable_gan.get_config("smoke"))


def test_an_empty_table_of_settings_is_no_missing_one() -> None:
  assert differences({"critics": {}}, {"critics": {}}) == []
  assert differences({"critics": {}}, {"critics": {"a": 1}}) == [
    "critics is 'nothing', was None",
    "critics.a is 1, was 'nothing'",
  ]


def test_settings_that_cannot_be_read_are_named(tmp_path: Path) -> None:
  path = tmp_path / "config.json"
  path.write_text('{"cut')
  with pytest.raises(UserError, match=r"config\.json: expected the settings of the run as JSON"):
    check_settings(path, turntable_gan.get_config("smoke"))


def test_every_free_setting_is_one() -> None:
  config = turntable_gan.get_config("smoke")
  for name in FREE:
    at = config
    for part in name.split("."):
      assert part in at, name
      at = at[part]


def test_a_fingerprint_tells_settings_apart() -> None:
  one, other = turntable_gan.get_config("smoke"), turntable_gan.get_config("smoke")
  assert fingerprint(one) == fingerprint(other)
  other.seed = 1
  assert fingerprint(one) != fingerprint(other)
