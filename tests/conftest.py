"""Every test sees eight CPU devices, strict promotion of types and ranks, one compilation cache."""

import fcntl
import gc
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = (
  os.environ.get("XLA_FLAGS", "")
  + " --xla_force_host_platform_device_count=8"
  # Tests compile far longer than they run. The newer emitters of fused loops take three times as
  # long to compile a gradient as the plain ones.
  + " --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
  + " --xla_cpu_use_fusion_emitters=false"
  # The workers of pytest keep all cores busy: parts that compile side by side only cost more.
  + " --xla_cpu_parallel_codegen_split_count=1"
)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault(
  "JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir()) / "llve_jax_compilation_cache")
)
# Where in our code an operation stands is looked up for each one that is lowered, and never read.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"

# Many containers forbid Python to keep what it has compiled: then every command that a test starts
# compiles all of JAX and TensorFlow again, 10 seconds instead of 4.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
  sys.dont_write_bytecode = False

# A shell that starts the tests in the background has them ignore Ctrl-C, and with them the commands
# that tests start to be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
  signal.signal(signal.SIGINT, signal.default_int_handler)

import jax
import pytest

from tests import shared_context

# Commands that tests start compile the same small programs, one command after the other. Workers of
# pytest inherit this, so above it is set for them, not defaulted.
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
shared_context.share()

# Files and folders all of whose tests are marked slow: they train, export, build data sets or start
# processes. Single tests are marked where they are. `make test` prints the slowest.
SLOW = (
  "test_config_steps.py",
  "test_end_to_end.py",
  "enhance",
  "experiments/test_check_data.py",
  "experiments/test_evaluate.py",
  "experiments/test_evaluate_raw.py",
  "experiments/test_feed.py",
  "experiments/test_kill.py",
  "experiments/test_plan.py",
  "experiments/test_report.py",
  "experiments/test_sweep.py",
  "export",
  "io/test_checkpoint_again.py",
  "io/test_checkpoint_damage.py",
  "job/test_hosts.py",
  "job/test_interrupt.py",
  "launch",
  "losses/test_contextual.py",
  "losses/test_contextual_patches.py",
  "losses/test_loss_contract.py",
  "losses/test_vgg.py",
  "metrics/test_perceptual.py",
  "models",
  "ops/test_convolution.py",
  "prepare",
  "tfds_builders",
  "train/steps",
  "train/test_loop.py",
  "zoo/test_import_mbllen.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
  """Marks the tests of `SLOW`, and puts the longest first, so that no worker ends with one."""
  here = Path(__file__).parent
  slow = {here / name for name in SLOW}
  paths = {item.path for item in items}
  slow = {path for path in paths if not slow.isdisjoint((path, *path.parents))}
  for item in items:
    if item.path in slow:
      item.add_marker(pytest.mark.slow)
  items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


def pytest_collection_finish() -> None:
  """Has Python look for garbage more rarely, and never in what is imported.

  Tracing makes many objects that live on, through which the collector goes again and again: a
  fifth of the time.
  """
  gc.collect()
  gc.freeze()
  gc.set_threshold(50_000, 10, 10)


@pytest.fixture(scope="module")
def standard_promotion() -> Iterator[None]:
  """For modules that run an optimiser: optax's Adam mixes Python floats and integer counts."""
  with jax.numpy_dtype_promotion("standard"):
    yield


@pytest.fixture(scope="module")
def shared_programs() -> Iterator[None]:
  """For modules that train one configuration again and again: it compiles once."""
  from tests.shared_programs import shared

  with shared():
    yield


@pytest.fixture(scope="session")
def signatures_of_methods() -> Iterator[None]:
  """For modules that build data sets of many steps."""
  from tests.tfds_builders.beam_signatures import remembered

  with remembered():
    yield


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
  """A folder with a prepared dark_clips, configuration `tiny`.

  It has 8 examples to train, 6 to validate and 9 to test. The first of several workers that needs
  it builds it for all.
  """
  base = tmp_path_factory.getbasetemp()
  base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
  folder, built = base / "tfds", base / "tfds.built"
  with open(base / "tfds.lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not built.exists():
      build_dark_clips(folder)
      built.touch()
  return folder


def build_dark_clips(folder: Path) -> None:
  from tfds_builders.dark_clips import dark_clips_dataset_builder as module

  config = module.DarkClipsConfig(
    name="tiny", held_back=1, max_height=48, max_frames=12, segment=5, passes=2
  )
  module.Builder(data_dir=folder, config=config).download_and_prepare()
