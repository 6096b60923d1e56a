"""How programs are compiled, and where they are kept, so that only the first run waits for it."""

import functools
import os
import sys
import tempfile
from pathlib import Path

import jax

_VARIABLE = "JAX_COMPILATION_CACHE_DIR"
# Which operations XLA gives to YNNPACK on a CPU: not convolutions.
_KERNELS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}


def enable_cache() -> None:
  """Uses JAX's persistent compilation cache, in JAX_COMPILATION_CACHE_DIR or ~/.cache/llve_jax.

  Where the folder cannot be written, one line on stderr says so, and there is no cache.
  """
  folder = os.environ.get(_VARIABLE)
  try:
    if folder is None:
      home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
      folder = str(Path(home) / "llve_jax" / "compiled")
      jax.config.update("jax_compilation_cache_dir", folder)
    if folder and "://" not in folder:
      os.makedirs(folder, exist_ok=True)
      with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b".")
        probe.flush()
  except (OSError, RuntimeError) as error:  # RuntimeError: nobody's home is known
    jax.config.update("jax_enable_compilation_cache", False)
    print(
      f"warning: {folder or '~/.cache'}: no compiled programs are kept there "
      f"({getattr(error, 'strerror', None) or error}), each run compiles anew; {_VARIABLE} names "
      "another folder",
      file=sys.stderr,
    )


@functools.cache
def for_inference() -> dict[str, str]:
  """What `jax.jit(compiler_options=...)` of a network that is not trained should be, here.

  On a CPU, XLA leaves convolutions to YNNPACK, which shares the columns and channels of a picture
  among cores, never its rows: up to 64 channels of a small picture are computed by one core. The
  kernels of before (Eigen's) share rows, and networks are up to 1.5 times as fast by them.
  Gradients of kernels are slower by them, so training does without, and `ops.convolution` writes
  what gains by rows so that it goes to them all the same.

  Returns:
    Nothing on other devices, where XLA_FLAGS says something about it, or where XLA knows of no such
    option any more.
  """
  if jax.default_backend() != "cpu" or next(iter(_KERNELS)) in os.environ.get("XLA_FLAGS", ""):
    return {}
  try:
    jax.jit(lambda x: x, compiler_options=_KERNELS).lower(0.0).compile()
  except Exception:  # whatever XLA says of an option that it does not know
    return {}
  return _KERNELS
