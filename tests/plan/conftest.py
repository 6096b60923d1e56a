import importlib.util

import pytest
from jax.sharding import AxisType, Mesh

from llve_jax.plan import topology


@pytest.fixture(scope="session")
def eight() -> topology.Topology:
  """A v5e slice of eight chips."""
  if importlib.util.find_spec("libtpu") is None:
    pytest.skip("compiling for a TPU needs libtpu")
  return topology.parse("v5e:2x4")


@pytest.fixture(scope="session")
def eight_mesh(eight: topology.Topology) -> Mesh:
  """Its chips as [data, rows], all along data."""
  import numpy as np

  devices = np.array(eight.devices()).reshape(8, 1)
  return Mesh(devices, ("data", "rows"), axis_types=(AxisType.Auto, AxisType.Auto))
