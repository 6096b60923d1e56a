"""TensorFlow without its chatter, or a message that says what to install."""

import contextlib
import importlib
from collections.abc import Iterator

import absl.logging

from llve_jax.errors import UserError
from llve_jax.io.silence import silent


@contextlib.contextmanager
def needs(what: str) -> Iterator[None]:
  """Imports TensorFlow and orbax.export; around whatever imports more.

  Raises:
    UserError: `what` needs a package that is not installed.
  """
  try:
    with silent():
      importlib.import_module("tensorflow")
      importlib.import_module("orbax.export")
    yield
  except ImportError as error:
    raise UserError(
      f"{what} needs {error.name}, which is not installed; pip install 'llve_jax[export]'"
    ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
  """TensorFlow and orbax report every asset they write; the command says it once."""
  before = absl.logging.get_verbosity()
  absl.logging.set_verbosity(absl.logging.ERROR)
  try:
    yield
  finally:
    absl.logging.set_verbosity(before)
