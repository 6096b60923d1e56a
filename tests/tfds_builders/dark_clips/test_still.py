"""The configurations `static` and `raw_static`: one bright frame, filmed many times in the dark."""

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds

from llve_jax.data.clips import test_clips as whole_clips
from llve_jax.data.source import open_split

SETTINGS = {"still": True, "max_height": 48, "max_frames": 12, "segment": 4, "passes": 1}


@pytest.fixture(scope="module", params=[False, True], ids=["srgb", "raw"])
def folder(request, build_dark_clips, tmp_path_factory):
  folder = tmp_path_factory.mktemp("still")
  build_dark_clips(folder, **SETTINGS, raw=request.param)
  return folder


def _read(folder, split):
  path = folder / "dark_clips/tiny/2.0.0"
  return list(tfds.builder_from_directory(path).as_data_source(split))


def test_the_configurations_are_there(dark_clips_module):
  configs = {config.name: config for config in dark_clips_module.Builder.BUILDER_CONFIGS}
  assert [(configs[name].still, configs[name].raw) for name in ("static", "raw_static")] == [
    (True, False),
    (True, True),
  ]
  assert [name for name, config in configs.items() if config.still] == ["static", "raw_static"]


def test_every_segment_has_one_bright_frame_and_fresh_noise_in_each_dark_one(folder):
  train = _read(folder, "train")
  assert len(train) == 2 * 3  # clips x segments of 4 in 12 frames
  assert {example["clip"] for example in train} == {
    f"{clip}_{place:03d}".encode() for clip in ("bikes", "bigbuckbunny") for place in (0, 4, 8)
  }
  for example in train:
    assert (len(example["low"]), len(example["high"])) == (4, 1)
    dark = np.asarray(example["low"], float)
    assert all(np.any(dark[0] != other) for other in dark[1:])
    # Nothing but noise moves: what is left of it in a mean of frames looks like the others' mean.
    means = [cv2.blur(frame, (9, 9)) for frame in dark]
    spread = np.std(means, axis=0).mean()
    assert spread < 0.5 * np.std(dark, axis=0).mean()


def test_the_test_split_has_three_scenes_of_the_held_out_clip(folder):
  kind = "srgb" if np.asarray(_read(folder, "test")[0]["low"]).dtype == np.uint8 else "bayer"
  clips = list(whole_clips(open_split("dark_clips", "test", config="tiny", data_dir=folder), kind))
  assert [(clip.name, clip.variant) for clip in clips] == [
    (f"carphone_{place:03d}", variant) for place in (2, 6, 10) for variant in range(3)
  ]
  for clip in clips:
    assert len(clip.low) == len(clip.high) == 3 * 4
    assert np.all(clip.high == clip.high[0])


def test_the_validation_split_has_a_scene_of_each_training_clip(folder):
  kind = "srgb" if np.asarray(_read(folder, "test")[0]["low"]).dtype == np.uint8 else "bayer"
  source = open_split("dark_clips", "validation", config="tiny", data_dir=folder)
  clips = list(whole_clips(source, kind))
  # Two segments of 4 frames at the end of 132 and of 250; the fifth of those.
  assert [(clip.name, clip.variant) for clip in clips] == [
    (name, variant) for name in ("bigbuckbunny_128", "bikes_246") for variant in range(3)
  ]
  trained = {np.asarray(example["high"]).tobytes() for example in _read(folder, "train")}
  for clip in clips:
    assert len(clip.low) == 8
    assert np.all(clip.high == clip.high[0])
    assert clip.high[0].tobytes() not in trained
