"""The stream of batches: shapes, determinism, sharing by processes, stop and resume."""

import grain
import numpy as np
import orbax.checkpoint as ocp
import pytest

from llve_jax.data import pipeline
from llve_jax.data.frames import decode_frames
from llve_jax.errors import UserError
from llve_jax.io.images import encode_png

SMALL = {"batch": 4, "frames": 2, "crop": 32, "seed": 0}


def _take(iterator, count):
  return [next(iterator) for _ in range(count)]


def _assert_equal(left, right):
  assert len(left) == len(right)
  for a, b in zip(left, right, strict=True):
    assert a.keys() == b.keys() == {"low", "high", "id"}
    for key in a:
      np.testing.assert_array_equal(a[key], b[key])


def test_batches_are_float_clips(train_source):
  for batch in _take(pipeline.train_iterator(train_source, **SMALL), 3):
    for clip in (batch["low"], batch["high"]):
      assert clip.shape == (4, 2, 32, 32, 3)
      assert clip.dtype == np.float32
      assert clip.min() >= 0
      assert clip.max() <= 1
    assert batch["low"].mean() < 0.5 * batch["high"].mean()


def test_windows_are_cut_from_the_data(train_source):
  iterator = pipeline.train_iterator(train_source, **SMALL | {"batch": 1}, augment=False)
  known = [
    {key: decode_frames(train_source[i][key]) for key in ("low", "high")}
    for i in range(len(train_source))
  ]
  for batch in _take(iterator, 4):
    cut = {key: np.round(batch[key][0] * 255).astype(np.uint8) for key in ("low", "high")}
    assert any(_holds(example, cut) for example in known)


def _holds(example, cut):
  """Whether the pair of windows stands at one same place of the example; brute force."""
  frames, height, width = example["low"].shape[:3]
  return any(
    np.array_equal(example["low"][t : t + 2, y : y + 32, x : x + 32], cut["low"])
    and np.array_equal(example["high"][t : t + 2, y : y + 32, x : x + 32], cut["high"])
    for t in range(frames - 1)
    for y in range(height - 31)
    for x in range(width - 31)
  )


@pytest.mark.parametrize("threads", [0, 3])
def test_seed_decides_and_threads_do_not(train_source, threads):
  first = _take(pipeline.train_iterator(train_source, **SMALL, threads=1), 5)
  again = _take(pipeline.train_iterator(train_source, **SMALL, threads=threads, cache_bytes=0), 5)
  _assert_equal(first, again)
  other = next(pipeline.train_iterator(train_source, **SMALL | {"seed": 1}))
  assert np.any(other["high"] != first[0]["high"])


def test_every_epoch_sees_everything_in_another_order():
  class Numbered:
    def __len__(self):
      return 8

    def __getitem__(self, index):
      png = pipeline_png(index)
      return {"low": png, "high": png, "clip": b"c"}

  iterator = pipeline.train_iterator(
    Numbered(), batch=8, frames=1, crop=2, seed=0, augment=False, threads=0
  )
  orders = [np.round(batch["high"][:, 0, 0, 0, 0] * 255).tolist() for batch in _take(iterator, 3)]
  assert all(sorted(order) == list(range(8)) for order in orders)
  assert orders[0] != orders[1] != orders[2]


def pipeline_png(value):
  """One grey frame, encoded."""
  import cv2

  images = np.empty(1, object)
  images[0] = cv2.imencode(".png", np.full((2, 2, 3), value, np.uint8))[1].tobytes()
  return images


def test_two_processes_share_what_one_would_read(train_source):
  whole = _take(pipeline.train_iterator(train_source, **SMALL), 4)
  halves = [
    _take(
      pipeline.train_iterator(
        train_source, **SMALL | {"batch": 2}, process_index=index, process_count=2
      ),
      4,
    )
    for index in range(2)
  ]
  joined = [
    {key: np.concatenate([first[key], second[key]]) for key in first}
    for first, second in zip(*halves, strict=True)
  ]
  _assert_equal(joined, whole)


@pytest.mark.parametrize("done", [0, 3])
def test_restored_state_goes_on_bit_for_bit(train_source, done):
  iterator = pipeline.train_iterator(train_source, **SMALL)
  _take(iterator, done)
  state = iterator.get_state()
  expected = _take(iterator, 3)
  fresh = pipeline.train_iterator(train_source, **SMALL)
  next(fresh)
  fresh.set_state(state)
  _assert_equal(_take(fresh, 3), expected)


def test_state_lives_in_an_orbax_checkpoint_beside_other_items(train_source, tmp_path):
  iterator = pipeline.train_iterator(train_source, **SMALL)
  _take(iterator, 2)
  parameters = {"w": np.arange(3, dtype=np.float32)}
  with ocp.CheckpointManager(tmp_path) as manager:
    manager.save(
      2,
      args=ocp.args.Composite(
        state=ocp.args.StandardSave(parameters), data=grain.checkpoint.CheckpointSave(iterator)
      ),
    )
    manager.wait_until_finished()
    expected = _take(iterator, 3)
    fresh = pipeline.train_iterator(train_source, **SMALL)
    restored = manager.restore(
      2,
      args=ocp.args.Composite(
        state=ocp.args.StandardRestore(parameters), data=grain.checkpoint.CheckpointRestore(fresh)
      ),
    )
  np.testing.assert_array_equal(restored["state"]["w"], parameters["w"])
  _assert_equal(_take(restored["data"], 3), expected)


def test_crop_larger_than_a_frame_names_the_sizes(train_source):
  with pytest.raises(UserError, match=r"bigbuckbunny: crop=64 .* frame of 85x48 "):
    pipeline.train_iterator(train_source, **SMALL | {"crop": 64})


def test_a_later_clip_that_is_too_small_is_named_too(train_source):
  small = pipeline_png(0)

  class Mixed:
    def __len__(self):
      return 2

    def __getitem__(self, index):
      return {"low": small, "high": small, "clip": b"small"} if index else train_source[0]

  iterator = pipeline.train_iterator(Mixed(), batch=2, frames=1, crop=32, seed=0)
  with pytest.raises(UserError, match=r"small: crop=32 .* frame of 2x2 "):
    next(iterator)


def test_more_frames_than_a_segment_names_both(train_source):
  with pytest.raises(UserError, match="frames=6 is more than the 5 frames of a segment"):
    pipeline.train_iterator(train_source, **SMALL | {"frames": 6})


def test_pairs_of_different_size_are_named(train_source):
  class Unequal:
    def __len__(self):
      return 1

    def __getitem__(self, index):
      other = pipeline_png(0)
      return {"low": other, "high": train_source[0]["high"][:1], "clip": b"odd"}

  with pytest.raises(UserError, match=r"odd: the dark frames have 2x2, the bright 85x48 pixels"):
    pipeline.train_iterator(Unequal(), batch=1, frames=1, crop=2, seed=0)


def test_nothing_to_train_on():
  with pytest.raises(UserError, match="found none"):
    pipeline.train_iterator([], **SMALL)


def test_every_window_says_where_it_comes_from(train_source):
  """The frames that an id names hold the window's pixels."""
  iterator = pipeline.train_iterator(train_source, **SMALL, augment=False)
  known = {
    (example["clip"].decode(), example["variant"], example["start"]): example
    for example in (train_source[index] for index in range(len(train_source)))
  }
  batch = next(iterator)
  assert batch["id"].dtype.kind == "U"
  for where, low in zip(batch["id"], batch["low"], strict=True):
    clip, variant, frame = where.split("/")
    start = int(frame) // 5 * 5
    example = known[clip, int(variant), start]
    frames = decode_frames(example["low"][int(frame) - start :][:2])
    cut = np.round(low * 255).astype(np.uint8)
    height, width = frames.shape[1:3]
    assert any(
      np.array_equal(frames[:, y : y + 32, x : x + 32], cut)
      for y in range(height - 31)
      for x in range(width - 31)
    )


def test_a_batch_can_be_made_again_by_its_number(train_source):
  """What a report of a failed step needs: the batch of step k, without those before it."""
  batches = _take(pipeline.train_iterator(train_source, **SMALL), 8)
  again = pipeline.train_dataset(train_source, **SMALL, cache_bytes=0)
  _assert_equal([again[6]], [batches[6]])
  second = pipeline.train_dataset(
    train_source, **SMALL | {"batch": 2}, process_index=1, process_count=2
  )
  np.testing.assert_array_equal(second[3]["id"], batches[3]["id"][2:])


@pytest.mark.parametrize("name", ["turn", "flip", "none"])
def test_named_augmentations_add_no_noise(train_source, name):
  batch = pipeline.train_dataset(train_source, **SMALL, augment=name)[0]
  codes = batch["low"] * 255
  np.testing.assert_allclose(codes, np.round(codes), atol=1e-4)
  noisy = pipeline.train_dataset(train_source, **SMALL)[0]["low"] * 255
  assert np.abs(noisy - np.round(noisy)).max() > 0.01


def test_an_augmentation_that_does_not_exist_lists_the_known(train_source):
  with pytest.raises(UserError, match=r"no augmentation is called 'spin'; known: none, turntable"):
    pipeline.train_dataset(train_source, **SMALL, augment="spin")


def _still(frames=6, bright=1):
  """A segment whose dark frames are told apart by their grey."""
  dark = np.stack([np.full((4, 4, 3), 10 * k, np.uint8) for k in range(frames)])
  high = np.full((bright, 4, 4, 3), 200, np.uint8)
  encoded = {"low": [encode_png(f) for f in dark], "high": [encode_png(f) for f in high]}
  return {**encoded, "clip": b"still", "variant": 2, "start": 30}


def test_frames_apart_are_different_ones_of_the_whole_segment():
  settings = {"batch": 1, "frames": 2, "crop": 2, "seed": 0, "augment": False}
  dataset = pipeline.train_dataset([_still()], **settings, apart=True)
  seen = set()
  for k in range(300):
    first, second = np.round(dataset[k]["low"][0, :, 0, 0, 0] * 255 / 10).astype(int).tolist()
    assert first != second
    if second != first + 1:
      assert dataset[k]["id"].tolist() == [f"still/2/{30 + first}+{30 + second}"]
    seen.add((first, second))
    np.testing.assert_array_equal(dataset[k]["high"], np.float32(200 / 255))
  assert len(seen) == 6 * 5
  near = pipeline.train_dataset([_still()], **settings)
  assert all(np.ptp(near[k]["low"]) == pytest.approx(10 / 255) for k in range(20))


def test_frames_apart_need_a_still_scene_and_enough_frames():
  settings = {"batch": 1, "crop": 2, "seed": 0, "apart": True}
  with pytest.raises(UserError, match=r"apart=True needs still scenes.* still has 6 bright"):
    pipeline.train_dataset([_still(bright=6)], **settings, frames=2)
  with pytest.raises(UserError, match="frames=7 is more than the 6 frames of a segment of still"):
    pipeline.train_dataset([_still()], **settings, frames=7)


def test_a_kind_that_the_data_cannot_give_names_both(train_source):
  with pytest.raises(UserError, match=r"bigbuckbunny: .* gives srgb input, but 'bayer' is wanted"):
    pipeline.train_dataset(train_source, **SMALL, kind="bayer")
