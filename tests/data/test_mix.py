"""A mixture draws from each data set as it weighs, always in the same order."""

import numpy as np
import pytest

from llve_jax.data import mix, pipeline
from llve_jax.data.mix import Ingredient
from llve_jax.errors import UserError
from llve_jax.io.images import encode_png
from tests.data.test_dark import bright
from tests.data.test_mosaic import EXAMPLES
from tests.data.test_stills import pair_of_pictures

SETTINGS = {"batch": 4, "frames": 2, "crop": 16, "seed": 0}


def _clips(name, count=3):
  """Pairs of clips that a name tells apart."""
  rng = np.random.default_rng(len(name))
  for index in range(count):
    frames = rng.integers(0, 256, (4, 24, 28, 3), np.uint8)
    files = [encode_png(frame) for frame in frames]
    yield {"low": files, "high": files, "clip": f"{name}{index}".encode()}


def _parts(*weights):
  names = "abc"[: len(weights)]
  return [
    Ingredient(name, list(_clips(name)), weight)
    for name, weight in zip(names, weights, strict=True)
  ]


def _names(batches):
  return [str(name)[0] for batch in batches for name in batch["id"]]


def test_clips_come_as_often_as_they_weigh():
  dataset = mix.train_dataset(_parts(3.0, 1.0), **SETTINGS)
  names = _names(dataset[k] for k in range(10))
  assert names.count("a") == 30
  assert names.count("b") == 10


def test_the_same_seed_gives_the_same_batches_from_any_place():
  first = mix.train_dataset(_parts(1.0, 2.0), **SETTINGS)
  second = mix.train_dataset(_parts(1.0, 2.0), **SETTINGS, cache_bytes=0)
  for k in (7, 0, 3):
    for key in first[k]:
      np.testing.assert_array_equal(first[k][key], second[k][key])
  other = mix.train_dataset(_parts(1.0, 2.0), **SETTINGS | {"seed": 1})
  assert np.any(other[0]["high"] != first[0]["high"])


def test_the_cache_is_that_of_all_data_sets_together(monkeypatch):
  given, make = [], mix.example_dataset

  def noted(source, **settings):
    given.append(settings["cache_bytes"])
    return make(source, **settings)

  monkeypatch.setattr(mix, "example_dataset", noted)
  mix.train_dataset(_parts(1.0, 2.0, 1.0), **SETTINGS, cache_bytes=900)
  assert given == [300, 300, 300]


def test_a_stopped_stream_goes_on_where_it_was():
  dataset = mix.train_dataset(_parts(1.0, 1.0), **SETTINGS)
  iterator = pipeline.read_ahead(dataset, threads=2)
  for _ in range(3):
    next(iterator)
  state = iterator.get_state()
  expected = [next(iterator)["id"] for _ in range(3)]
  again = pipeline.read_ahead(mix.train_dataset(_parts(1.0, 1.0), **SETTINGS), threads=0)
  again.set_state(state)
  np.testing.assert_array_equal([next(again)["id"] for _ in range(3)], expected)


def test_processes_share_the_batches_of_one():
  whole = mix.train_dataset(_parts(1.0, 1.0), **SETTINGS)
  halves = [
    mix.train_dataset(
      _parts(1.0, 1.0), **SETTINGS | {"batch": 2}, process_index=index, process_count=2
    )
    for index in range(2)
  ]
  for k in range(3):
    joined = np.concatenate([half[k]["id"] for half in halves])
    np.testing.assert_array_equal(joined, whole[k]["id"])


def test_data_sets_do_not_share_their_windows():
  same = list(_clips("x", 1))
  dataset = mix.train_dataset(
    [Ingredient("one", same), Ingredient("two", same)], **SETTINGS | {"augment": "none"}
  )
  starts = [batch["high"] for batch in (dataset[k] for k in range(4))]
  clips = np.concatenate(starts)
  assert len({clip.tobytes() for clip in clips}) > len(clips) // 2


def test_one_ingredient_is_that_data_set():
  (part,) = _parts(1.0)
  plain = pipeline.train_dataset(part.source, **SETTINGS)
  np.testing.assert_array_equal(mix.train_dataset([part], **SETTINGS)[2]["low"], plain[2]["low"])


def test_bright_clips_and_pictures_stand_beside_clips():
  parts = [
    *_parts(1.0),
    Ingredient("bright", [bright("dark", shape=(30, 30))[0]], 1.0),
    Ingredient("pictures", [pair_of_pictures()[0]], 1.0),
  ]
  dataset = mix.train_dataset(parts, **SETTINGS | {"batch": 6}, context=8, pictures=True)
  batch = dataset[0]
  assert batch["low"].shape == (6, 2, 16, 16, 3)
  assert batch["context"].shape == (6, 2, 8, 8, 3)
  assert sorted(_names([batch])) == ["a", "a", "d", "d", "p", "p"]


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_weights_are_positive(weight):
  with pytest.raises(UserError, match="b: expected a weight above 0"):
    mix.train_dataset(_parts(1.0, weight), **SETTINGS)


def test_nothing_to_mix_is_refused():
  with pytest.raises(UserError, match="no data sets"):
    mix.train_dataset([], **SETTINGS)


def test_sets_that_differ_in_kind_are_named():
  mosaics = Ingredient("raw", [EXAMPLES["RGGB"]])
  settings = {"batch": 2, "frames": 1, "crop": 4, "seed": 0, "augment": "none"}
  message = r"a and raw differ in kind .* low \[1, 4, 4, 3\].* low \[1, 4, 4, 4\]"
  with pytest.raises(UserError, match=message):
    mix.train_dataset([*_parts(1.0), mosaics], **settings)


def test_what_is_wrong_with_one_names_it():
  with pytest.raises(UserError, match="pictures: frames=2 is more than the 1 frames"):
    mix.train_dataset([*_parts(1.0), Ingredient("pictures", [pair_of_pictures()[0]])], **SETTINGS)
  with pytest.raises(UserError, match=r"b: .*expected examples to train on, found none"):
    mix.train_dataset([*_parts(1.0), Ingredient("b", [])], **SETTINGS)
