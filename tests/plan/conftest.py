import importlib.util
from collections.abc import Iterator

import numpy as np
import pytest
from jax.sharding import AxisType, Mesh

from llve_jax.plan import topology
from llve_jax.plan.compile import uncached


@pytest.fixture(scope="session")
def eight() -> topology.Topology:
  """A v5e slice of eight chips."""
  if importlib.util.find_spec("libtpu") is None:
    pytest.skip("compiling for a TPU needs libtpu")
  return topology.parse("v5e:2x4")


@pytest.fixture(scope="session")
def eight_mesh(eight: topology.Topology) -> Mesh:
  """Its chips as [data, rows], all along data."""
  devices = np.array(eight.devices()).reshape(8, 1)
  return Mesh(devices, ("data", "rows"), axis_types=(AxisType.Auto, AxisType.Auto))


@pytest.fixture(autouse=True)
def _no_cache() -> Iterator[None]:
  with uncached():
    yield
