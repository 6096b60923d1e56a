"""What a configuration is scored on."""

from experiments.configs import base
from experiments.run import tested


def test_other_data_are_scored_as_training_takes_them() -> None:
  config = base.base("some", "paired_images", "unet3d")
  config.data.update(keep_negatives=False, resize=(24, 32))
  assert tested.tested(config) == config.data
  config.test_data.name = "dark_clips"
  found = tested.tested(config.to_dict())
  assert found["name"] == "dark_clips"
  assert (found["keep_negatives"], found["resize"]) == (False, (24, 32))
