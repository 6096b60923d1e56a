import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec
from ml_collections import ConfigDict

from experiments.configs import mbllen
from experiments.run.assemble import Run
from experiments.run.compiled_steps import Programs, peak_flops, rules_of
from llve_jax.errors import UserError
from llve_jax.plan import flops
from llve_jax.train import mesh

pytestmark = pytest.mark.usefixtures("standard_promotion")


def config_of(**settings: object) -> ConfigDict:
  config = mbllen.get_config("smoke")
  config.phases.all.loss = ConfigDict({"l1": 1.0})
  config.mesh.update(**settings)
  return config


def programs(config: ConfigDict, height: int = 32, padded: int = 32) -> Programs:
  on = mesh.make_mesh(rows=config.mesh.rows)
  sharding = mesh.batch_sharding(on)
  clip = jax.ShapeDtypeStruct((8, 1, padded, 32, 3), jnp.float32, sharding=sharding)
  return Programs(Run(config), on, {"low": clip, "high": clip}, height)


def test_parameters_and_what_is_as_large_are_split_if_asked() -> None:
  config = config_of(parameters="fsdp")
  config.model.kwargs.update(features=64, width=64)
  state = dataclasses.replace(programs(config).state, frozen=())
  split = {
    name: int(np.prod(leaf.shape))
    for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    if leaf.sharding.spec != PartitionSpec()
    for name in [jax.tree_util.keystr(path, simple=True, separator=".")]
  }
  kinds = {re.search("params|optimizer|average", name)[0] for name in split}
  assert kinds == {"params", "optimizer", "average"}
  assert min(split.values()) >= 2**14
  assert state.step.sharding.is_fully_replicated


def test_the_last_phase_begins_where_the_one_before_ends() -> None:
  config = config_of()
  assert programs(config).last_phase == 0
  config.phases = ConfigDict(
    {
      "first": {"until": 0.25, "loss": {"l1": 1.0}},
      "second": {"until": 0.75, "loss": {"l1": 1.0}},
      "third": {"until": 1.0, "loss": {"l1": 1.0}},
    }
  )
  several = programs(config)
  assert config.train.steps == 4
  assert several.last_phase == 3
  assert [several.phase(step) for step in range(4)] == [0, 1, 1, 2]


def test_rules_come_before_the_general_one() -> None:
  rules = rules_of(Run(config_of(parameters="fsdp", rules=(("average", "replicated"),))))
  assert rules[0] == ("average", "replicated")
  assert rules[-1][1] == "fsdp"


@pytest.mark.parametrize(
  ("settings", "message"),
  [
    ({"parameters": "split"}, "mesh.parameters is 'split'; expected replicated or fsdp"),
    ({"rules": (("a",),)}, "expected pairs of a regular expression and a placement"),
  ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, message: str) -> None:
  with pytest.raises(UserError, match=message):
    rules_of(Run(config_of(**settings)))


def test_operations_are_those_of_true_rows() -> None:
  whole, filled = programs(config_of()), programs(config_of(rows=8), height=30, padded=32)
  with pytest.raises(KeyError):
    whole.flops(0)  # nothing is traced for it alone
  for made in (whole, filled):
    made(0)
  assert whole.flops(0) > 0
  # Rows at the borders have fewer neighbours, so it is a little less than in proportion.
  assert 0.9 < filled.flops(0) / whole.flops(0) < 30 / 32


def test_nobody_knows_the_peak_of_a_cpu() -> None:
  assert peak_flops(mesh.make_mesh()) is None
  assert flops.count(lambda x: x @ x, jnp.ones((2, 2))) == 16
