import os
import platform
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from llve_jax.io import compilation

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


def program_of_a_convolution(options: dict[str, str]) -> str:
  """What XLA makes of one, as it tells it."""
  images, kernel = jnp.ones((1, 64, 64, 32)), jnp.ones((3, 3, 32, 32))

  def run(images: jax.Array, kernel: jax.Array) -> jax.Array:
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=numbers)

  return str(jax.jit(run, compiler_options=options).lower(images, kernel).compile().as_text())


def flags_for_xla(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
  jax.devices()  # are made before, with the flags of all other tests
  monkeypatch.setenv("XLA_FLAGS", given)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="which kernels XLA has was seen there")
def test_networks_that_run_do_not_convolve_on_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
  flags_for_xla(monkeypatch, "")
  options = compilation.for_inference.__wrapped__()
  assert options
  assert "ynn" not in program_of_a_convolution(options)
  assert "ynn" in program_of_a_convolution({})  # else the option is for nothing


def test_whoever_chooses_the_kernels_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
  flags_for_xla(monkeypatch, "--xla_cpu_experimental_ynn_fusion_type=")
  assert compilation.for_inference.__wrapped__() == {}


def test_a_compiler_without_that_option_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setattr(compilation, "_KERNELS", {"xla_cpu_no_such_option": "1"})
  assert compilation.for_inference.__wrapped__() == {}


def test_other_devices_have_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
  assert compilation.for_inference.__wrapped__() == {}
