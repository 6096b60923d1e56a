import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from experiments.reporting import compare, page, votes
from experiments.run import tested
from llve_jax import methods
from llve_jax.errors import UserError
from llve_jax.io import bundle
from llve_jax.io.run_folder import BEST


def write_images(folder: Path, names: list[str], value: int) -> Path:
  for name in names:
    path = folder / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((12, 20, 3), value, np.uint8))
    value += 1
  return folder


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
  frames = [f"street/{index}" for index in range(1, 12)]
  one = write_images(tmp_path / "method_one", [*frames, "still"], 50)
  two = write_images(tmp_path / "method_two", [*frames, "still", "extra"], 150)
  return [str(one), str(two)]


def content_of(path: Path) -> dict:
  found = re.search(r'<script id="data"[^>]*>(.*?)</script>', path.read_text(), re.DOTALL)
  assert found is not None
  return json.loads(found.group(1))


def first_pixel(uri: str) -> int:
  data = np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8)
  return int(cv2.imdecode(data, cv2.IMREAD_COLOR)[0, 0, 0])


def test_the_middle_frames_of_common_clips_are_shown_in_order(folders, tmp_path: Path):
  sources = compare.open_sources(folders, split=None, data_dir=None)
  path = compare.write(sources, tmp_path, clips=9, frames=3)
  content = content_of(path)
  street = next(clip for clip in content["clips"] if clip["name"] == "street")
  # Files 5, 6 and 7 of 1 to 11, by number and not by letters.
  assert [first_pixel(uri) for uri in street["frames"][0]] == pytest.approx([54, 55, 56], abs=1)
  assert [first_pixel(uri) for uri in street["frames"][1]] == pytest.approx([154, 155, 156], abs=1)
  assert {clip["name"] for clip in content["clips"]} == {"street", "still"}
  assert [pair["methods"] for pair in content["pairs"]] == [[0, 1], [0, 1]]
  assert content["criteria"] == list(votes.CRITERIA)
  assert content["columns"] == list(votes.COLUMNS)


def test_hidden_files_are_no_frames(folders, tmp_path: Path):
  """A Mac leaves one beside every file that it copies."""
  (Path(folders[0]) / "street" / "._6.png").write_bytes(b"no picture")
  (Path(folders[0]) / "._still.png").write_bytes(b"no picture")
  sources = compare.open_sources(folders, split=None, data_dir=None)
  content = content_of(compare.write(sources, tmp_path, clips=9, frames=11))
  assert [clip["name"] for clip in content["clips"]] == ["still", "street"]
  assert [len(clip["frames"][0]) for clip in content["clips"]] == [1, 11]


def test_names_of_methods_are_nowhere_to_be_read(folders, tmp_path: Path):
  sources = compare.open_sources(folders, split=None, data_dir=None)
  path = compare.write(sources, tmp_path, clips=9, frames=3)
  assert "method_" not in path.read_text()
  names = [base64.b64decode(name).decode() for name in content_of(path)["methods"]]
  assert names == ["method_one", "method_two"]
  assert "src=" not in path.read_text().replace("image.src = uri", "")


def test_another_choice_is_another_study(folders, tmp_path: Path):
  sources = compare.open_sources(folders, split=None, data_dir=None)
  studies = [
    content_of(compare.write(sources, tmp_path, clips=2, frames=count))["study"]
    for count in (1, 2, 2)
  ]
  assert studies[0] != studies[1]
  assert studies[1] == studies[2]


def test_single_frames_are_not_asked_about_steadiness(folders, tmp_path: Path):
  sources = compare.open_sources(folders, split=None, data_dir=None)
  content = content_of(compare.write(sources, tmp_path, clips=1, frames=1))
  assert "steadiness" not in content["criteria"]
  assert len(content["clips"]) == 1


def test_three_methods_are_compared_two_by_two(folders, tmp_path: Path):
  given = [*folders, f"third={folders[0]}"]
  sources = compare.open_sources(given, split=None, data_dir=None)
  content = content_of(compare.write(sources, tmp_path, clips=1, frames=1))
  assert [pair["methods"] for pair in content["pairs"]] == [[0, 1], [0, 2], [1, 2]]
  assert len({pair["id"] for pair in content["pairs"]}) == 3


def test_what_cannot_be_compared_is_refused(folders, tmp_path: Path):
  def opened(*given: str) -> list[compare.Source]:
    return compare.open_sources(given, split=None, data_dir=None)

  with pytest.raises(UserError, match="takes two or more"):
    opened(folders[0])
  with pytest.raises(UserError, match="several are called method_one; write NAME=DIR"):
    opened(folders[0], folders[0])
  (tmp_path / "empty").mkdir()
  with pytest.raises(UserError, match="empty: expected a run folder"):
    opened(folders[0], str(tmp_path / "empty"))
  other = write_images(tmp_path / "other", ["garden/1"], 3)
  with pytest.raises(UserError, match=r"no clip that all have; .*other: garden"):
    compare.write(opened(folders[0], str(other)), tmp_path, clips=9, frames=1)
  small = tmp_path / "small"
  small.mkdir()
  cv2.imwrite(str(small / "still.png"), np.zeros((6, 6, 3), np.uint8))
  with pytest.raises(UserError, match=r"clip still differ in size or length: method_one: \(1, 12"):
    compare.write(opened(folders[0], str(small)), tmp_path, clips=9, frames=1)
  assert not (tmp_path / "compare.html").exists()


def test_runs_are_named_by_what_tells_them_apart(data_dir: Path, tmp_path: Path):
  """Two runs of one sweep: their networks enhance the clips of the test split."""
  import jax
  import jax.numpy as jnp

  from llve_jax import models

  kwargs = {"features": 2, "iterations": 1}
  module = models.build("zero_dce", **kwargs)
  runs = []
  for seed in range(2):
    run = tmp_path / "runs" / "dce" / f"seed{seed}"
    run.mkdir(parents=True)
    variables = module.init(jax.random.key(seed), jnp.zeros((1, 1, 16, 16, 3)))
    bundle.save(run / BEST, bundle.Bundle("zero_dce", kwargs, variables, {"step": 1}))
    data = {"name": "dark_clips", "config": "tiny", "dir": str(data_dir)}
    (run / "config.json").write_text(json.dumps({"data": data}))
    runs.append(str(run))
  sources = compare.open_sources(runs, split=None, data_dir=None)
  assert [source.name for source in sources] == ["dce/seed0", "dce/seed1"]
  excerpt = next(sources[0].excerpts(2))
  clip = next(iter(compare_clips(runs[0])))
  expected = methods.load(runs[0])(clip.low)[5:7]
  np.testing.assert_array_equal(excerpt.frames, expected)
  assert excerpt.frames.shape[0] == 2
  assert excerpt.fps == clip.fps


def compare_clips(run: str):

  config = tested.trained_config(str(run))
  return tested.split_clips(config["data"], "test", None)()


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_page_counts_as_the_command_does(tmp_path: Path):
  """Votes are written, tallied and given an interval by the page's own program."""
  program = (
    (page.TEMPLATES / "tally.js").read_text()
    + """
    const base = {study: "s", voter: "v", clip: 'a "b", c', time: "t"};
    const votes = [
      {...base, pair: "p1", criterion: "clarity", choice: "left", left: "B", right: "A"},
      {...base, pair: "p2", criterion: "clarity", choice: "right", left: "B", right: "A"},
      {...base, pair: "p3", criterion: "clarity", choice: "left", left: "A", right: "B"},
      {...base, pair: "p4", criterion: "clarity", choice: "same", left: "A", right: "B"},
      {...base, pair: "p1", criterion: "colour", choice: "right", left: "B", right: "C"},
    ];
    const columns = COLUMNS, criteria = CRITERIA, z = ZVALUE;
    const rows = tally(votes, criteria);
    const intervals = rows.map((row) => wilson(row.wins, row.wins + row.losses, z));
    console.log(JSON.stringify({csv: csv(votes, columns), rows, intervals}));
  """
  )
  program = program.replace("COLUMNS", json.dumps(votes.COLUMNS))
  program = program.replace("CRITERIA", json.dumps(votes.CRITERIA)).replace(
    "ZVALUE", str(votes.Z95)
  )
  done = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
  found = json.loads(done.stdout)
  (tmp_path / "votes.csv").write_text(found["csv"])
  read = votes.read([tmp_path / "votes.csv"])
  assert read[0].clip == 'a "b", c'
  pairs = [rate for rate in votes.rates(read) if rate.other != "all others"]
  assert [votes.Rate(**row) for row in found["rows"]] == pairs
  for rate, interval in zip(pairs, found["intervals"], strict=True):
    assert rate.interval == pytest.approx(interval)
