import re
from typing import Any

import pytest

from llve_jax.errors import UserError
from llve_jax.job.cluster import Cluster, find_cluster

NOBODY = {"metadata": lambda: None}
SLURM = {
  "SLURM_JOB_ID": "12345",
  "SLURM_STEP_NODELIST": "gpu[007-008,12]",
  "SLURM_NTASKS": "8",
  "SLURM_STEP_NUM_TASKS": "4",
  "SLURM_STEP_NUM_NODES": "4",
  "SLURM_PROCID": "3",
  "SLURM_LOCALID": "0",
}
GKE = {"TPU_WORKER_HOSTNAMES": "a-0.svc,a-1.svc", "TPU_WORKER_ID": "1"}


def find(environ: dict[str, str], **flags: Any) -> Cluster | None:
  return find_cluster(environ, **{**NOBODY, **flags})


def test_one_process() -> None:
  assert find({}) is None
  assert find({"TPU_WORKER_HOSTNAMES": "localhost", "TPU_WORKER_ID": "0"}) is None
  assert find({**SLURM, "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}) is None
  # The shell of a batch job, which is no step.
  assert find({"SLURM_JOB_ID": "1", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"}) is None
  assert find({}, coordinator="a:1", processes=1, process=0) is None


def test_flags_come_first() -> None:
  environ = {
    "LLVE_COORDINATOR": "env:1",
    "LLVE_NUM_PROCESSES": "2",
    "LLVE_PROCESS_ID": "1",
    **SLURM,
    **GKE,
  }
  flags = {"coordinator": "flag:8476", "processes": 16, "process": 15}
  assert find(environ, **flags) == Cluster("flag:8476", 16, 15, "flags")
  assert find(environ) == Cluster("env:1", 2, 1, "environment")
  del environ["LLVE_COORDINATOR"], environ["LLVE_NUM_PROCESSES"], environ["LLVE_PROCESS_ID"]
  assert find(environ) == Cluster("gpu007:61497", 4, 3, "slurm")
  assert find(GKE) == Cluster("a-0.svc:8482", 2, 1, "tpu")
  assert find({}, metadata=lambda: ("10.0.0.2", 8, 5)) == Cluster("10.0.0.2:8482", 8, 5, "tpu")


def test_slurm_chooses_the_port_that_jax_does(monkeypatch: pytest.MonkeyPatch) -> None:
  from jax._src.clusters.slurm_cluster import SlurmCluster

  for nodes in ("n1", "n1,n2", "gpu[007-008,12]", "gpu[7,9],other"):
    for name, value in {**SLURM, "SLURM_STEP_NODELIST": nodes}.items():
      monkeypatch.setenv(name, value)
    found = find({**SLURM, "SLURM_STEP_NODELIST": nodes})
    assert found is not None
    assert found.coordinator == SlurmCluster.get_coordinator_address(None, None)


@pytest.mark.parametrize(
  ("change", "device"),
  [
    ({}, None),  # one task a node: all its GPUs
    ({"SLURM_STEP_NUM_NODES": "2", "SLURM_LOCALID": "1"}, 1),
    (
      {"SLURM_STEP_NUM_NODES": "2", "SLURM_LOCALID": "1", "CUDA_VISIBLE_DEVICES": "0,1"},
      1,
    ),
    ({"SLURM_STEP_NUM_NODES": "2", "SLURM_LOCALID": "1", "CUDA_VISIBLE_DEVICES": "1"}, None),
  ],
)
def test_slurm_tasks_that_share_a_node_share_its_gpus(
  change: dict[str, str], device: int | None
) -> None:
  found = find({**SLURM, **change})
  assert found is not None
  assert found.device == device


def test_gke_with_several_slices() -> None:
  environ = {
    **GKE,
    "MEGASCALE_NUM_SLICES": "3",
    "MEGASCALE_SLICE_ID": "2",
    "MEGASCALE_COORDINATOR_ADDRESS": "first:8080",
  }
  assert find(environ) == Cluster("first:8482", 6, 5, "tpu")


def test_address_of_ip_version_6() -> None:
  found = find({}, coordinator="[fe80::1]:8476", processes=2, process=0)
  assert found is not None
  assert found.address == ("fe80::1", 8476)


@pytest.mark.parametrize(
  ("flags", "expected"),
  [
    ({"coordinator": "a:1"}, "--coordinator=a:1 needs --num_processes and --process_id too"),
    ({"process": 0}, "--process_id=0 needs --coordinator and --num_processes too"),
    (
      {"coordinator": "a:1", "processes": 2, "process": 2},
      "--process_id is 2; expected 0 to 1, as --num_processes is 2",
    ),
    ({"coordinator": "a:1", "processes": 0, "process": 0}, "--num_processes is 0; expected 1 or"),
    ({"coordinator": "a", "processes": 2, "process": 0}, "--coordinator is 'a'; expected host:po"),
    ({"coordinator": "a:b", "processes": 2, "process": 0}, "--coordinator is 'a:b'; expected hos"),
    ({"coordinator": "a:99999", "processes": 2, "process": 0}, "--coordinator is 'a:99999'; expe"),
    ({"coordinator": "http://a:1", "processes": 2, "process": 0}, "expected host:port, such as"),
  ],
)
def test_flags_that_do_not_fit(flags: dict[str, Any], expected: str) -> None:
  with pytest.raises(UserError, match=re.escape(expected)):
    find({}, **flags)


@pytest.mark.parametrize(
  ("environ", "expected"),
  [
    (
      {"LLVE_COORDINATOR": "a:1", "LLVE_NUM_PROCESSES": "two", "LLVE_PROCESS_ID": "0"},
      "LLVE_NUM_PROCESSES is 'two'; expected a whole number",
    ),
    (
      {"LLVE_COORDINATOR": "a:1", "LLVE_NUM_PROCESSES": "2", "LLVE_PROCESS_ID": "-1"},
      "LLVE_PROCESS_ID is -1; expected 0 to 1",
    ),
    ({"LLVE_PROCESS_ID": "1"}, "LLVE_PROCESS_ID=1 needs LLVE_COORDINATOR and LLVE_NUM_PROCESSES"),
    ({**SLURM, "SLURM_PROCID": "9"}, "SLURM_PROCID is 9; expected 0 to 3"),
    ({**SLURM, "SLURM_JOB_ID": ""}, "SLURM_JOB_ID is ''; expected a whole number"),
    ({**SLURM, "SLURM_STEP_NODELIST": "["}, "SLURM_STEP_NODELIST is '['; expected names such as"),
    ({"TPU_WORKER_HOSTNAMES": "a,b"}, "names 2 hosts, but TPU_WORKER_ID is not set"),
  ],
)
def test_an_environment_that_does_not_fit(environ: dict[str, str], expected: str) -> None:
  with pytest.raises(UserError, match=re.escape(expected)):
    find(environ)


@pytest.mark.parametrize(
  ("coordinator", "interface", "bind"),
  [
    ("127.0.0.1:8476", "127.0.0.1", "127.0.0.1:8476"),
    ("127.1.2.3:1", "127.1.2.3", "127.1.2.3:1"),
    ("localhost:2", "127.0.0.1", "127.0.0.1:2"),
    ("[::1]:3", "::1", "[::1]:3"),
    ("10.0.0.2:8476", "", None),
    ("[fd00::2]:8476", "", None),
    ("node1:8476", "", None),
  ],
)
def test_a_loopback_address_is_the_only_one_listened_at(
  coordinator: str, interface: str, bind: str | None
) -> None:
  cluster = Cluster(coordinator, 2, 0, "flags")
  assert (cluster.interface, cluster.bind) == (interface, bind)
