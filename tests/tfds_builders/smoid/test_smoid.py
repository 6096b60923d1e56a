"""SMOID's layout: mosaics upright and bit for bit, the published split, the beams' frame counts."""

import json

import numpy as np
import pytest
import skimage.exposure

from llve_jax.errors import UserError
from llve_jax.ops.mosaic import pack, pack_rows
from tfds_builders.smoid import layout, reading

FRAMES = 5


def clips(root, count=7, folders=("train", "gt"), frames=FRAMES, packed=(4, 6)):
  rng = np.random.default_rng(0)
  for folder in folders:
    (root / "0_data" / folder).mkdir(parents=True, exist_ok=True)
  names = [f"{number:03d}_00_0001" for number in range(count)]
  for name in names:
    low = rng.gamma(2, 40, (frames, *packed, 4)).astype(np.uint16)
    high = rng.integers(0, 256, (frames, 2 * packed[0], 2 * packed[1], 3), np.uint8)
    np.save(root / "0_data" / folders[0] / f"{name}.npy", low)
    np.save(root / "0_data" / folders[1] / f"{name}.npy", high)
  return names


def stored(root, name, folders=("train", "gt")):
  return [np.load(root / "0_data" / folder / f"{name}.npy") for folder in folders]


def test_the_split_of_179_clips_is_the_published_one():
  names = [f"{number:03d}_00_0001" for number in range(179)]
  splits = layout.split_names(list(reversed(names)))
  assert {split: len(kept) for split, kept in splits.items()} == {
    "train": 125,
    "validation": 27,
    "test": 27,
  }
  state = np.random.RandomState(ord("c") + 137)
  order = state.permutation(179)
  assert splits["train"][:3] == [names[place] for place in order[:3]]
  assert splits["test"] == [names[place] for place in order[152:]]


@pytest.mark.parametrize("config", ["natural", {"name": "short", "segment": 2}])
def test_clips_are_upright_and_bit_for_bit(build, tmp_path, config):
  root = tmp_path / "manual"
  names = clips(root)
  builder = build("smoid", root, config)
  seen = {}
  for split in builder.info.splits:
    for example in builder.as_data_source(split):
      seen.setdefault(example["clip"].decode(), []).append(example)
  assert sorted(seen) == names
  for name, parts in seen.items():
    low, high = stored(root, name)
    mosaic = np.concatenate([part["low"] for part in parts])[..., 0]
    assert mosaic.dtype == np.uint16
    assert [part["start"] for part in parts] == ([0] if config == "natural" else [0, 2, 4])
    np.testing.assert_array_equal(pack_rows(mosaic[:, ::-1]), low)
    np.testing.assert_array_equal(np.concatenate([part["high"] for part in parts])[:, ::-1], high)
    # Stored GBRG: green, blue / red, green. Upright, the red row comes first.
    assert parts[0]["cfa"] == b"RGGB"
    red, green, blue, _ = np.moveaxis(pack(mosaic, "RGGB"), -1, 0)
    np.testing.assert_array_equal(red, low[:, ::-1, :, 2])
    np.testing.assert_array_equal(green, low[:, ::-1, :, 3])
    np.testing.assert_array_equal(blue, low[:, ::-1, :, 1])
    gain = parts[0]["ratio"][0] / parts[0]["white"]
    np.testing.assert_allclose((gain * low).mean(), 0.2, rtol=1e-5)


def test_two_workers_of_beam_build_the_same(build, tmp_path):
  from apache_beam.options.pipeline_options import PipelineOptions

  root = tmp_path / "manual"
  clips(root, count=4)
  alone = [example["clip"] for example in build("smoid", root).as_data_source("train")]
  options = PipelineOptions(
    ["--runner=DirectRunner", "--direct_num_workers=2", "--direct_running_mode=multi_processing"]
  )
  (tmp_path / "data").rename(tmp_path / "first")
  builder = build("smoid", root, beam_options=options)
  assert [example["clip"] for example in builder.as_data_source("train")] == alone
  assert (builder.data_path / "manifest.jsonl").is_file()


def test_he2he_equalises_each_clip_by_one_curve(build, tmp_path):
  root = tmp_path / "manual"
  clips(root, count=3)
  example = build("smoid", root, "he2he").as_data_source("test")[0]
  low, high = stored(root, example["clip"].decode())
  packed = pack_rows(np.stack(example["low"])[:, ::-1, :, 0])
  hist, edges = np.histogram(low.ravel(), 65536)
  cdf = hist.cumsum()
  expected = np.interp(low.ravel(), edges[:-1], 65535 * cdf / cdf[-1]).reshape(low.shape)
  assert np.abs(packed - expected).max() <= 0.5
  bright = np.stack(example["high"])[:, ::-1]
  reference = skimage.exposure.equalize_hist(high, nbins=256) * 255
  assert np.abs(bright - reference).max() <= 1.5
  assert example["ratio"][0] == 1


def test_the_list_files_rule_where_they_are(build, tmp_path):
  root = tmp_path / "manual"
  names = clips(root, count=4)
  lines = {"file_list": names[:2], "valid_list": names[2:3], "test_list": names[3:]}
  for file, kept in lines.items():
    (root / file).write_text("".join(f"{name} gt/{name} in/{name}\n" for name in kept))
  builder = build("smoid", root)
  assert [example["clip"].decode() for example in builder.as_data_source("train")] == names[:2]
  (root / "valid_list").write_text(f"{names[0]} a b\nno_such a b\n")
  problems = {(problem.kind, problem.message) for problem in layout.scan(root).problems}
  assert ("missing", "line 2 names no_such, of which there is no pair of clips") in problems
  assert ("leak", f"names {names[0]}, which file_list names, too") in problems


BAD = {
  "another type": (lambda low, high: (low.astype(np.float32), high), "expected uint16.*float32"),
  "not a number": (
    lambda low, high: (np.full(low.shape, np.nan), high),
    "expected uint16.*float64",
  ),
  "another shape": (
    lambda low, high: (low[..., :3], high),
    r"expected uint16 \[any, any, any, 4\]",
  ),
  "beams that differ": (lambda low, high: (low, high[:-1]), "5 frames.*4: the beams"),
  "a longer bright clip": (lambda low, high: (low[:-1], high), "4 frames.*5: the beams"),
  "another size": (lambda low, high: (low, high[:, :-2]), r"expected \[5, 8, 12, 3\]"),
  "no light": (lambda low, high: (low * 0, high), "expected light"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays_are_named(case, tmp_path):
  name = clips(tmp_path, count=3)[1]
  change, message = BAD[case]
  spoil(tmp_path, name, change)
  with pytest.raises(UserError, match=message):
    list(reading.read(_clip(tmp_path, name), segment=2, equalize=False))


def test_bad_clips_can_be_skipped(build, tmp_path, monkeypatch):
  root = tmp_path / "manual"
  names = clips(root, count=5)
  for name, case in zip(names[1:3], ("beams that differ", "not a number"), strict=True):
    spoil(root, name, BAD[case][0])
  monkeypatch.setenv("LLVE_ON_ERROR", "skip")
  (root / "file_list").write_text("".join(f"{name} a b\n" for name in names))
  builder = build("smoid", root)
  assert len(builder.as_data_source("train")) == 3
  _, *lines = (builder.data_path / "manifest.jsonl").read_text().splitlines()
  assert sorted(json.loads(line)["clip"] for line in lines) == names[1:3]


def spoil(root, name, change):
  for folder, array in zip(("train", "gt"), change(*stored(root, name)), strict=True):
    np.save(root / "0_data" / folder / f"{name}.npy", array)


def _clip(root, name):
  return next(
    clip for kept in layout.scan(root).clips.values() for clip in kept if clip.name == name
  )


def test_a_bad_clip_stops_a_build_and_leaves_nothing(build, tmp_path):
  root = tmp_path / "manual"
  names = clips(root, count=3)
  path = root / "0_data" / "train" / f"{names[0]}.npy"
  path.write_bytes(path.read_bytes()[:-8])
  with pytest.raises(Exception, match=f"{names[0]}.npy"):
    build("smoid", root)
  assert not list((tmp_path / "data").rglob("*array_record*"))


def test_too_few_clips(tmp_path):
  clips(tmp_path, count=2)
  assert "at least 3" in layout.scan(tmp_path).problems[0].message


def customized(root):
  """A clip with a target and one without, below folders of any name."""
  first, second = clips(root, count=2)
  (root / "0_data" / "gt" / f"{second}.npy").unlink()
  lines = [f"{name} 0_data/gt/{name}.npy 0_data/train/{name}.npy\n" for name in (first, second)]
  (root / "customized_list").write_text("".join(lines))
  return first, second


def test_a_list_of_one_s_own_may_name_clips_without_target(build, tmp_path):
  root = tmp_path / "manual"
  names = customized(root)
  builder = build("smoid", root, "customized")
  assert list(builder.info.splits) == ["test"]
  examples = {e["clip"].decode(): e for e in builder.as_data_source("test")}
  assert tuple(examples) == names
  for name, count in zip(names, (FRAMES, 0), strict=True):
    assert len(examples[name]["high"]) == count
    low = np.load(root / "0_data" / "train" / f"{name}.npy")
    mosaic = np.stack(examples[name]["low"])[:, ::-1, :, 0]
    np.testing.assert_array_equal(pack_rows(mosaic), low)
  with open(root / "customized_list", "a") as file:
    file.write("lone\nmissing a.npy b.npy\n")
  problems = [str(problem) for problem in layout.scan(root, "customized").problems]
  assert "line 3: expected NAME GT_PATH IN_PATH, found 1 word(s)" in problems[0]
  assert "b.npy: line 4 of customized_list names it" in problems[1]
