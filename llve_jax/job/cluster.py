"""Which process of how many this one is, read from flags, the environment, Slurm or a TPU pod."""

import dataclasses
import ipaddress
import os
import re
from collections.abc import Callable, Mapping

from llve_jax.errors import UserError

# As JAX chooses them, see jax._src.clusters.
_TPU_PORT = 8482
_SLURM_FIRST_PORT = 65535 - 2**12 + 1


@dataclasses.dataclass(frozen=True)
class Cluster:
  """A job of several processes.

  Attributes:
    coordinator: address of process 0, "host:port".
    processes: how many there are, at least 2.
    process: which one this is, from 0.
    found_by: "flags", "environment", "slurm" or "tpu".
    device: the only one of the host's GPUs that this process is to use, or None: all.
  """

  coordinator: str
  processes: int
  process: int
  found_by: str
  device: int | None = None

  @property
  def address(self) -> tuple[str, int]:
    """Host and port of process 0."""
    host, _, port = self.coordinator.rpartition(":")
    return host.strip("[]"), int(port)

  @property
  def interface(self) -> str:
    """Where process 0 listens: the coordinator's own address if only this host has it, or ""."""
    host, _ = self.address
    if host.lower() == "localhost":
      return "127.0.0.1"
    try:
      address = ipaddress.ip_address(host)
    except ValueError:  # a name, which may mean something else on this host than on the others
      return ""
    return host if address.is_loopback else ""

  @property
  def bind(self) -> str | None:
    """The same with the port, for JAX; None: all addresses."""
    host, (_, port) = self.interface, self.address
    return f"{f'[{host}]' if ':' in host else host}:{port}" if host else None


def tpu_metadata() -> tuple[str, int, int] | None:
  """Coordinator's host, processes and process of a TPU VM, from Google's metadata server."""
  # Internal, but it is what `jax.distributed.initialize()` itself does on a pod.
  from jax._src import cloud_tpu_init
  from jax._src.clusters.cloud_tpu_cluster import GceTpuCluster

  if not cloud_tpu_init.running_in_cloud_tpu_vm or "TPU_SKIP_MDS_QUERY" in os.environ:
    return None
  try:
    if not GceTpuCluster.is_env_present():
      return None
    processes = GceTpuCluster.get_process_count()
    if processes == 1:
      return None
    address = GceTpuCluster.get_coordinator_address(60, None)
    return address.rpartition(":")[0], processes, GceTpuCluster.get_process_id()
  except OSError:  # requests' errors are OSErrors: there is no such server
    return None


def find_cluster(
  environ: Mapping[str, str],
  *,
  coordinator: str | None = None,
  processes: int | None = None,
  process: int | None = None,
  metadata: Callable[[], tuple[str, int, int] | None] = tpu_metadata,
) -> Cluster | None:
  """How this process belongs to a job of several, or None if it is alone.

  The first of these that says anything: the flags; LLVE_COORDINATOR, LLVE_NUM_PROCESSES and
  LLVE_PROCESS_ID; Slurm, in a step of more than one task; a TPU pod, by its worker's environment
  (GKE) or the metadata server (TPU VM).

  Args:
    environ: the environment.
    coordinator: flag --coordinator, "host:port" of process 0.
    processes: flag --num_processes.
    process: flag --process_id, from 0.
    metadata: asks a TPU VM.

  Raises:
    UserError: some of the values are missing, are not numbers or do not fit together.
  """
  flags = {
    "--coordinator": coordinator,
    "--num_processes": processes,
    "--process_id": process,
  }
  if any(value not in (None, "") for value in flags.values()):
    return _complete(flags, "flags")
  names = ("LLVE_COORDINATOR", "LLVE_NUM_PROCESSES", "LLVE_PROCESS_ID")
  if any(environ.get(name) for name in names):
    return _complete({name: environ.get(name) for name in names}, "environment")
  return _slurm(environ) or _tpu_workers(environ) or _tpu_vm(metadata)


def _complete(values: Mapping[str, str | int | None], found_by: str) -> Cluster | None:
  """A cluster from three named values: address, number, this one."""
  if missing := [name for name, value in values.items() if value in (None, "")]:
    given = ", ".join(f"{name}={value}" for name, value in values.items() if name not in missing)
    raise UserError(
      f"{given} needs {' and '.join(missing)} too: the address of process 0 as host:port, the "
      "number of processes and which one this is, from 0"
    )
  (name, address), (count_name, count), (index_name, index) = values.items()
  processes, process = _number(count_name, count), _number(index_name, index)
  if processes < 1:
    raise UserError(f"{count_name} is {processes}; expected 1 or more")
  if not 0 <= process < processes:
    raise UserError(
      f"{index_name} is {process}; expected 0 to {processes - 1}, as {count_name} is {processes}"
    )
  matched = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\s/\[\]]+):(\d{1,5})", str(address))
  if not matched or not 0 < int(matched[2]) < 65536:
    raise UserError(f"{name} is {str(address)!r}; expected host:port, such as 10.0.0.2:8476")
  return Cluster(str(address), processes, process, found_by) if processes > 1 else None


def _number(name: str, value: str | int | None) -> int:
  try:
    return int(str(value))
  except ValueError:
    raise UserError(f"{name} is {value!r}; expected a whole number") from None


def _slurm(environ: Mapping[str, str]) -> Cluster | None:
  """Inside `srun`; a job's own shell, which is one process, has no SLURM_STEP_NODELIST."""
  if "SLURM_STEP_NODELIST" not in environ or "SLURM_PROCID" not in environ:
    return None
  # A step may be smaller than its job.
  count_name = "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in environ else "SLURM_NTASKS"
  processes = _number(count_name, environ.get(count_name, "1"))
  nodes = environ["SLURM_STEP_NODELIST"]
  # node1 | node1,other | node[001-004,9],other
  matched = re.match(r"([^,\[]+)(?:\[(\d+)[^\]]*\]([^,]*))?", nodes)
  if not matched:
    raise UserError(f"SLURM_STEP_NODELIST is {nodes!r}; expected names such as node[001-004]")
  host = "".join(part or "" for part in matched.groups())
  port = _SLURM_FIRST_PORT + _number("SLURM_JOB_ID", environ.get("SLURM_JOB_ID")) % 2**12
  found = _complete(
    {
      "SLURM_STEP_NODELIST": f"{host}:{port}",
      count_name: processes,
      "SLURM_PROCID": environ["SLURM_PROCID"],
    },
    "slurm",
  )
  if found is None:
    return None
  # Several tasks on a node share its GPUs, unless Slurm shows each task its own only.
  own = len(environ.get("CUDA_VISIBLE_DEVICES", "").split(",")) == 1
  shown = "CUDA_VISIBLE_DEVICES" in environ and own
  tasks_share = _number("SLURM_STEP_NUM_NODES", environ.get("SLURM_STEP_NUM_NODES", "1"))
  if found.processes > tasks_share and not shown and "SLURM_LOCALID" in environ:
    return dataclasses.replace(found, device=_number("SLURM_LOCALID", environ["SLURM_LOCALID"]))
  return found


def _tpu_workers(environ: Mapping[str, str]) -> Cluster | None:
  """The variables that GKE sets in each pod of a TPU slice, or of several slices."""
  name = "TPU_PROCESS_ADDRESSES" if environ.get("TPU_PROCESS_ADDRESSES") else "TPU_WORKER_HOSTNAMES"
  hosts = [host.strip().partition(":")[0] for host in environ.get(name, "").split(",")]
  slices = _number("MEGASCALE_NUM_SLICES", environ.get("MEGASCALE_NUM_SLICES", "1"))
  processes = len(hosts) * slices
  if not hosts[0] or processes == 1:
    return None
  worker = environ.get("TPU_WORKER_ID")
  if worker is None:
    raise UserError(f"{name} names {len(hosts)} hosts, but TPU_WORKER_ID is not set")
  first = _number("MEGASCALE_SLICE_ID", environ.get("MEGASCALE_SLICE_ID", "0")) * len(hosts)
  host = environ.get("MEGASCALE_COORDINATOR_ADDRESS", hosts[0]).partition(":")[0]
  return _complete(
    {
      name: f"{host}:{_TPU_PORT}",
      "number of hosts": processes,
      "TPU_WORKER_ID": first + _number("TPU_WORKER_ID", worker),
    },
    "tpu",
  )


def _tpu_vm(metadata: Callable[[], tuple[str, int, int] | None]) -> Cluster | None:
  if (found := metadata()) is None:
    return None
  host, processes, process = found
  return Cluster(f"{host}:{_TPU_PORT}", processes, process, "tpu") if processes > 1 else None
