"""The published tables: figures as in the reports, configurations that exist."""

import pytest

from experiments import sweep
from experiments.reporting import tables
from experiments.run import flags
from llve_jax.errors import UserError

ROWS = [(name, row) for name, table in tables.TABLES.items() for row in table.rows]


@pytest.mark.parametrize("size", sweep.SIZES)
@pytest.mark.parametrize(("table", "row"), ROWS)
def test_every_row_has_its_configuration_in_every_size(table: str, row: str, size: str):
  definition = tables.TABLES[table].rows[row]
  config = sweep.config_flag(definition.config, size)
  if size in definition.sizes:
    assert flags.load(config).train.steps > 0
  else:
    with pytest.raises(UserError, match="no X-Trans"):
      flags.load(config)


@pytest.mark.parametrize("size", sweep.SIZES)
def test_forms_of_the_3d_unet_differ_in_every_size(size: str):
  rows = tables.TABLES["networks3d"].rows.values()
  models = [flags.load(sweep.config_flag(row.config, size)).model.to_json() for row in rows]
  assert len(set(models)) == len(models)


def test_rows_about_memory_have_one_budget():
  """As many frames of the same size for every network, whether it looks at them in order or not."""
  budgets = set()
  for row in tables.TABLES["memory"].rows.values():
    config = flags.load(sweep.config_flag(row.config, "cpu"))
    budgets.add((config.train.steps, config.data.batch * config.data.frames, config.data.crop))
  assert budgets == {(300, 32, 64)}


def test_each_change_of_system_a_helps_its_psnr_as_published():
  """The report: 18.68, 19.23, 21.03, 21.53 dB; then the critic; then fine-tuning."""
  psnr = {
    name: [row.published["psnr"] for row in tables.TABLES[name].rows.values()]
    for name in ("turntable_ablation", "critic", "finetune")
  }
  assert psnr["turntable_ablation"] == [18.68, 19.23, 21.03, 21.53]
  assert psnr["critic"][0] == psnr["turntable_ablation"][-1]
  assert [psnr[name] == sorted(psnr[name]) for name in psnr] == [True] * 3


def test_one_configuration_has_one_figure_where_the_source_is_one():
  """System C trained its base twice, and SID's network on its own data."""
  figures: dict[str, set[float]] = {}
  for table in tables.TABLES.values():
    for row in table.rows.values():
      if "psnr" in row.published:
        figures.setdefault(row.config, set()).add(row.published["psnr"])
  assert {config for config, found in figures.items() if len(found) > 1} == {
    "unet3d",
    "sid:sony",
  }


def test_what_is_ranked_was_published_for_two_rows_at_least():
  for name, table in tables.TABLES.items():
    for _, published in table.ranked:
      assert sum(published in row.published for row in table.rows.values()) > 1, name


def test_get_takes_lists_and_all_and_lists_the_known():
  assert list(tables.get("finetune, critic,finetune")) == ["finetune", "critic"]
  assert tables.get("critic,all") == tables.TABLES
  with pytest.raises(UserError, match=r"no table nope; known: turntable_ablation, .*, all"):
    tables.get("critic,nope")
  with pytest.raises(UserError, match="names no table"):
    tables.get(",")
