import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import warnings
warnings.simplefilter("always")
import jax
from llve_jax.io.compilation import enable_cache
enable_cache()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
print(float(jax.jit(lambda x: x * 2 + 1)(3.0)))
"""


def run(**variables: str) -> tuple[str, list[str]]:
  """Standard output, and lines on standard error, of a process that compiles with the cache on."""
  environment = {**os.environ, "JAX_PLATFORMS": "cpu", **variables}
  if "JAX_COMPILATION_CACHE_DIR" not in variables:
    del environment["JAX_COMPILATION_CACHE_DIR"]
  result = subprocess.run(
    [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True
  )
  return result.stdout, result.stderr.splitlines()


def test_programs_are_kept(tmp_path: Path) -> None:
  assert run(XDG_CACHE_HOME=str(tmp_path)) == ("7.0\n", [])
  assert list((tmp_path / "llve_jax" / "compiled").glob("*-cache"))


def test_the_variable_names_the_folder(tmp_path: Path) -> None:
  assert run(JAX_COMPILATION_CACHE_DIR=str(tmp_path / "here")) == ("7.0\n", [])
  assert list((tmp_path / "here").glob("*-cache"))


@pytest.mark.parametrize("name", ["XDG_CACHE_HOME", "JAX_COMPILATION_CACHE_DIR"])
def test_a_folder_that_cannot_be_written_is_named_once(tmp_path: Path, name: str) -> None:
  (tmp_path / "file").write_text("x")
  out, err = run(**{name: str(tmp_path / "file")})
  assert out == "7.0\n"
  assert len(err) == 1
  assert err[0].startswith(f"warning: {tmp_path / 'file'}")
  assert "JAX_COMPILATION_CACHE_DIR names another folder" in err[0]


def test_a_read_only_folder() -> None:
  out, err = run(JAX_COMPILATION_CACHE_DIR="/sys/llve_jax")
  assert out == "7.0\n"
  assert len(err) == 1
  assert err[0].startswith("warning: /sys/llve_jax: no compiled programs are kept there (")
