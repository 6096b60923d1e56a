import html.parser
import re
import urllib.parse
from pathlib import Path

import pytest

from experiments import sweep
from experiments.reporting import collect, page, tables


class Reader(html.parser.HTMLParser):
  """Collects tags and their attributes, and complains of tags that are not closed in order."""

  VOID = ("meta", "link", "img", "input", "br", "hr")

  def __init__(self) -> None:
    super().__init__()
    self.tags: list[tuple[str, dict[str, str | None]]] = []
    self.cells: list[list[str]] = []
    self._open: list[str] = []

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))
    if tag == "tr":
      self.cells.append([])
    if tag in ("td", "th") and self.cells:
      self.cells[-1].append("")
    if tag not in self.VOID:
      self._open.append(tag)

  def handle_startendtag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))

  def handle_endtag(self, tag):
    assert self._open.pop() == tag

  def handle_data(self, data):
    if self._open and self._open[-1] in ("td", "th"):
      self.cells[-1][-1] += data.strip()

  def close(self):
    super().close()
    assert self._open == []

  def values(self, tag: str, name: str) -> list[str]:
    return [str(attrs[name]) for each, attrs in self.tags if each == tag and name in attrs]


def read(text: str) -> Reader:
  reader = Reader()
  reader.feed(text)
  reader.close()
  return reader


@pytest.fixture(scope="module")
def out(sweep_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
  folder = tmp_path_factory.mktemp("page")
  page.write(collect.collect(sweep_folder), folder)
  return folder


def test_figures_stand_beside_the_published_ones(out: Path):
  rows = {cells[0]: cells[1:] for cells in read((out / "index.html").read_text()).cells}
  # Seeds give 18.0 and 18.2 dB: standard deviation 0.2 / sqrt(2).
  assert rows["plain U-Net"][:2] == ["18.10 ± 0.14", "18.68"]
  assert rows["plain U-Net"][-3:] == ["2 of 2", "320", "1 min 40 s"]
  assert rows["both"][:2] == ["22.00", "21.53"]
  assert rows["both"][-3] == "1 of 2"
  assert rows["WGAN-GP"] == ["missing", "22.58", "missing", "0.6480", "0 of 2", "–", "–"]  # noqa: RUF001
  assert rows["dark input"][0] == "8.00"
  assert rows["best without training: gamma"][0] == "15.00"


def test_where_the_data_lie_is_nobody_elses_business(tmp_path: Path):
  place = ["--config.data.dir=/home/somebody", "--config.train.steps=9"]
  sweep.plan(tables.get("critic"), tmp_path, seeds=1, size="cpu", settings=place)
  page.write(collect.collect(tmp_path), tmp_path)
  for file in ("RESULTS.md", "index.html"):
    assert "--config.train.steps=9" in (tmp_path / file).read_text()
    assert "somebody" not in (tmp_path / file).read_text()


def test_markdown_says_the_same(out: Path):
  text = (out / "RESULTS.md").read_text()
  assert "| row | PSNR, dB ↑ | published | SSIM ↑ | published | runs | steps | training |" in text
  assert "| plain U-Net | 18.10 ± 0.14 | 18.68 |" in text
  assert "| WGAN | missing | 22.33 | missing | 0.6510 | 0 of 2 | 320 |" in text
  assert "seed 0, at step 160 of 320: [config](" in text
  assert "\n\n\n" not in text


def test_what_the_order_says_is_computed(out: Path):
  text = (out / "index.html").read_text()
  assert (
    "PSNR: 5 of 6 pairs in the published order; 1 undecided (published: bilinear decoder over "
    "ResNeXt blocks). Kendall&#39;s tau of the means: +0.67."
  ) in text
  assert "Not compared: WGAN, WGAN-GP." in text


def test_the_page_needs_nothing_from_elsewhere(out: Path):
  reader = read((out / "index.html").read_text())
  sources = reader.values("img", "src")
  assert len(sources) == 4 * 2  # four rows, two clips; the row of both tables once
  assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
  assert all(reader.values("img", "alt"))
  assert reader.values("script", "src") == []
  assert reader.values("link", "href") == ["data:,"]
  assert not re.search(r"@import|url\((?!#)", (out / "index.html").read_text())


def test_links_lead_to_files_and_places_that_exist(out: Path):
  reader = read((out / "index.html").read_text())
  anchors = set(reader.values("h2", "id") + reader.values("details", "id"))
  links = reader.values("a", "href")
  assert len(links) > 20
  for link in links:
    if link.startswith("#"):
      assert link[1:] in anchors
    else:
      assert (out / urllib.parse.unquote(link)).exists(), link
  assert any(link.endswith("best.safetensors") for link in links)
  assert any(link.endswith("checkpoints/") for link in links)


def test_identifiers_are_unique(out: Path):
  found = re.findall(r'\bid="([^"]+)"', (out / "index.html").read_text())
  assert len(found) == len(set(found))


def test_curves_and_brightness_are_drawn(out: Path):
  labels = read((out / "index.html").read_text()).values("svg", "aria-label")
  assert sum(label.startswith("PSNR, dB over training steps of") for label in labels) == 2
  assert sum(label.startswith("SSIM over training steps of") for label in labels) == 2
  assert sum("every frame of clip carphone_0" in label for label in labels) == 2


def test_rows_scored_on_other_data_are_not_ranked(tmp_path: Path, write_run, sweep_folder: Path):
  table = collect.collect(sweep_folder)[0]
  path = tmp_path / "other"
  write_run(path, psnr=30.0)
  metrics = path / "evaluation" / "metrics.json"
  metrics.write_text(metrics.read_text().replace('"holdout"', '"other"'))
  elsewhere = collect.read_run(path)
  table.rows[0].runs[:] = [elsewhere]
  (view,) = [page.view(table, tmp_path, {})]
  assert view.references == []
  assert "of 3 pairs" in view.sentences[0]
  assert "Not compared: plain U-Net." in view.sentences[0]
  assert view.sentences[-1].startswith("Only rows scored on dark_clips/holdout, test are compared")


def test_names_are_escaped(tmp_path: Path, write_run):
  folder = write_run(tmp_path / "run")
  config = folder / "config.json"
  config.write_text(config.read_text().replace("made_up", "<b>&made</b>"))
  page.write(collect.collect(folder), tmp_path)
  text = (tmp_path / "index.html").read_text()
  assert "<b>" not in text
  assert "&lt;b&gt;&amp;made&lt;/b&gt;" in text
