import csv
import json

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.metrics import protocols
from llve_jax.metrics.report import Report, finite_json, write_csv, write_json


def example() -> Report:
  """Clip "a" has two frames, clip "b" one: the mean over clips is not the mean over frames."""
  report = Report(protocols.get("plain"), "net", {"split": "test"})
  for method, extra in (("input", 0.0), ("net", 10.0)):
    a = {"psnr": np.array([10.0, 20.0]) + extra, "ssim": np.array([0.25, 0.75])}
    b = {"psnr": np.array([30.0]) + extra, "ssim": np.array([1.0])}
    report.add(method, "a", ["0", "1"], a)
    report.add(method, "b", ["0"], b)
  return report


def with_identical_frame() -> Report:
  report = example()
  report.add("net", "b", ["1"], {"psnr": np.array([np.inf]), "ssim": np.array([1.0])})
  return report


def test_means_go_over_frames_then_clips():
  report = example()
  assert report.methods == ["input", "net"]
  assert report.clip_means("input") == {
    "a": {"psnr": 15.0, "ssim": 0.5},
    "b": {"psnr": 30.0, "ssim": 1.0},
  }
  assert report.means("input") == {"psnr": 22.5, "ssim": 0.75}
  assert report.means("net") == {"psnr": 32.5, "ssim": 0.75}


def test_an_unknown_method_lists_the_known():
  with pytest.raises(KeyError, match="input, net"):
    example().means("other")


def test_the_table_names_the_protocol_and_every_method():
  lines = example().table().splitlines()
  assert lines[0].startswith("# plain: 8-bit sRGB")
  assert "protocol: plain" in lines[1]
  assert lines[1].split()[:3] == ["method", "psnr", "ssim"]
  assert lines[3].split() == ["input", "22.50", "0.7500"]
  assert lines[4].split() == ["net", "32.50", "0.7500"]
  assert lines[5] == "3 frame(s) of 2 clip(s)"
  assert len(lines) == 6


def test_the_table_says_where_an_infinite_mean_comes_from():
  table = with_identical_frame().table()
  assert [line.split()[1] for line in table.splitlines()[3:5]] == ["22.50", "inf"]
  assert "net: 1 frame(s) identical to the target" in table


def test_json_has_the_headline_on_top_and_every_clip_below():
  content = example().to_json()
  assert {key: content[key] for key in ("psnr", "ssim", "protocol")} == {
    "psnr": 32.5,
    "ssim": 0.75,
    "protocol": "plain",
  }
  assert content["frames"] == 3
  assert content["about"] == {"split": "test"}
  assert content["methods"]["input"]["clips"]["b"] == {"psnr": 30.0, "ssim": 1.0}


def test_infinity_survives_strict_json(tmp_path):
  path = tmp_path / "metrics.json"
  with_identical_frame().write_json(path)

  def refuse(name: str):
    raise AssertionError(f"{name} is no JSON")

  content = json.loads(path.read_text(), parse_constant=refuse)
  assert content["psnr"] == "inf"
  assert float(content["psnr"]) == np.inf
  assert content["methods"]["net"]["identical_frames"] == 1
  assert content["methods"]["net"]["clips"]["a"]["psnr"] == 25.0


def test_finite_json_changes_only_what_json_cannot_hold():
  value = {"a": [1.5, float("-inf"), ("x", float("nan"))], "b": True, "c": None}
  assert finite_json(value) == {"a": [1.5, "-inf", ["x", "nan"]], "b": True, "c": None}


def test_csv_has_one_line_per_frame_with_exact_numbers(tmp_path):
  path = tmp_path / "frames.csv"
  report = with_identical_frame()
  third = {"psnr": np.array([np.float32(1 / 3)]), "ssim": np.array([0.1])}
  report.add("a, b", "c", ["x"], third)
  report.write_csv(path)
  with open(path, newline="") as file:
    rows = list(csv.DictReader(file))
  assert len(rows) == 8
  assert rows[0] == {
    "method": "input",
    "clip": "a",
    "frame": "0",
    "psnr": "10.0",
    "ssim": "0.25",
    "protocol": "plain",
  }
  assert float(rows[6]["psnr"]) == np.inf
  assert rows[7]["method"] == "a, b"
  assert float(rows[7]["psnr"]) == float(np.float32(1 / 3))


def test_files_are_written_whole_or_not_at_all(tmp_path):
  with pytest.raises(UserError, match="does not exist"):
    example().write_json(tmp_path / "no" / "metrics.json")
  report = example()
  report.about["unwritable"] = object()
  with pytest.raises(TypeError):
    report.write_json(tmp_path / "metrics.json")
  assert list(tmp_path.iterdir()) == []


def with_clip_scores() -> Report:
  report = example()
  for method in ("input", "net"):
    for clip, error in (("a", 0.001), ("b", 0.003)):
      report.add_clip(method, clip, {"warp_err": error, "mabd": 2.0})
  return report


def test_scores_of_whole_clips_stand_beside_those_of_frames():
  report = with_clip_scores()
  assert report.clip_metrics == ["mabd", "warp_err"]
  assert report.clip_means("net")["b"] == {
    "psnr": 40.0,
    "ssim": 1.0,
    "mabd": 2.0,
    "warp_err": 0.003,
  }
  assert report.means("net")["warp_err"] == pytest.approx(0.002)
  assert report.to_json()["mabd"] == 2.0
  lines = report.table().splitlines()
  assert "as saved in 8 bits, whatever the protocol" in lines[1]
  assert lines[2].startswith("#   mabd: mean absolute brightness difference")
  assert lines[3].startswith("#   warp_err: ")
  assert lines[4].split()[:5] == ["method", "psnr", "ssim", "mabd", "warp_err"]
  assert lines[4].endswith("(protocol: plain)")
  assert lines[6].split() == ["input", "22.50", "0.7500", "2", "0.002"]


def test_a_clip_score_that_one_clip_lacks_is_no_column():
  report = with_clip_scores()
  report.add("net", "c", ["0"], {"psnr": np.array([1.0]), "ssim": np.array([0.0])})
  assert report.clip_metrics == []
  assert set(report.means("net")) == {"psnr", "ssim"}


def test_every_protocol_names_itself_in_the_header_of_its_table():
  for name, protocol in protocols.PROTOCOLS.items():
    report = Report(protocol, "net")
    report.add("net", "a", ["0"], {metric: np.array([1.0]) for metric in protocol.metrics})
    lines = report.table().splitlines()
    assert lines[0].startswith(f"# {name}: ")
    assert lines[1].endswith(f"(protocol: {name})")


def test_columns_with_long_names_stay_aligned():
  protocol = protocols.get("plain").with_metrics(lpips_alex=lambda a, b: a)
  report = Report(protocol, "net")
  scores = {"psnr": np.array([1.0]), "ssim": np.array([0.0]), "lpips_alex": np.array([0.25])}
  report.add("net", "a", ["0"], scores)
  head, row = (report.table().splitlines()[index] for index in (1, 3))
  assert head.index("lpips_alex") + len("lpips_alex") == row.index("0.2500") + len("0.2500")


def test_reports_of_several_protocols_share_files(tmp_path):
  first, second = example(), Report(protocols.get("frame5").with_metrics(extra=abs), "net")
  scores = {"psnr": np.array([7.0]), "ssim": np.array([0.5]), "extra": np.array([2.0])}
  second.add("net", "a", ["4"], scores)
  write_json([first, second], tmp_path / "metrics.json")
  content = json.loads((tmp_path / "metrics.json").read_text())
  assert (content["protocol"], content["psnr"]) == ("plain", 32.5)
  assert list(content["protocols"]) == ["plain", "frame5"]
  assert content["protocols"]["frame5"]["psnr"] == 7.0
  write_csv([first, second], tmp_path / "frames.csv")
  with open(tmp_path / "frames.csv", newline="") as file:
    rows = list(csv.DictReader(file))
  assert [row["protocol"] for row in rows] == ["plain"] * 6 + ["frame5"]
  assert [row["extra"] for row in rows] == [""] * 6 + ["2.0"]
  write_json([first], tmp_path / "one.json")
  assert "protocols" not in json.loads((tmp_path / "one.json").read_text())
