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
  if not definition.config:  # published alone: it says why
    assert definition.published
    assert definition.note
    return
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
  # As another row, but for the critic, data and length.
  same = {"gan", "dense", "longer", "histogram_raw"}
  assert len(set(models)) == len(models) - len(same)


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
  """Runs that differ in length, as System C's two of its base, are rows that differ."""
  figures: dict[str, set[float]] = {}
  for table in tables.TABLES.values():
    for row in table.rows.values():
      if "psnr" in row.published and row.config and not row.model:
        figures.setdefault(row.config, set()).add(row.published["psnr"])
  assert {config for config, found in figures.items() if len(found) > 1} == set()


def test_no_table_mixes_data_sets():
  """Rows are scored on one, but for those that are each of their own, and ours."""
  for name, table in tables.TABLES.items():
    if name in ("systems", "memory"):
      continue
    rows = [row for row in table.rows.values() if row.config]
    loaded = [flags.load(sweep.config_flag(row.config, "full")) for row in rows]
    found = {config.test_data.name or config.data.name for config in loaded}
    assert len(found) == 1, (name, found)


def test_published_networks_of_a_are_compared_on_validation_and_test():
  rows = tables.TABLES["turntable_baselines"].rows
  assert {name: tuple(row.published.values()) for name, row in rows.items()} == {
    "mbllen": (20.30, 0.616, 20.33, 0.627),
    "mbllen_stretched": (10.89, 0.540, 12.05, 0.549),
    "deblurgan": (23.03, 0.633, 22.33, 0.651),
    "turntable_gan": (23.56, 0.679, 23.73, 0.681),
  }
  for name in ("mbllen", "deblurgan"):
    config = flags.load(sweep.config_flag(rows[name].config, "full"))
    assert config.train.steps == 20 * (818 // config.data.batch)


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
