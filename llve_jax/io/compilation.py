"""Keep compiled programs on disk, so that only the first run of a kind waits for the compiler."""

import os
from pathlib import Path

import jax


def enable_cache() -> None:
  """Uses JAX's persistent compilation cache, in JAX_COMPILATION_CACHE_DIR or ~/.cache/llve_jax."""
  if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "llve_jax"
    jax.config.update("jax_compilation_cache_dir", str(folder / "compiled"))
