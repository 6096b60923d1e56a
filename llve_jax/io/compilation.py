"""Keep compiled programs on disk, so that only the first run of a kind waits for the compiler."""

import os
import sys
import tempfile
from pathlib import Path

import jax

_VARIABLE = "JAX_COMPILATION_CACHE_DIR"


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
