"""The method that was asked for: fit for ordinary frames, steadied, and at its strength."""

from collections.abc import Callable

from llve_jax import methods
from llve_jax.methods.classic import CLASSIC
from llve_jax.methods.method import Method

Say = Callable[[str], None]


def load(model: str, *, tile: int | None, batch: int | None, rows: int) -> Method:
  """The method of that name; arguments and errors as `methods.load`."""
  if model not in CLASSIC:
    # Imported here: a classic method should not wait for the libraries that networks need.
    from llve_jax.io.compilation import enable_cache
    from llve_jax.io.platform import without_tpu

    without_tpu()
    enable_cache()
  return methods.load(model, tile=tile, batch=batch, rows=rows)


def for_srgb(method: Method) -> Method:
  """The method for ordinary frames, of whatever kind it takes."""
  if method.takes == "srgb":
    return method
  from llve_jax.methods.light import Undeveloped

  return Undeveloped(method)


def adjusted(method: Method, *, stabilise: bool | None, strength: float, say: Say) -> Method:
  """The method, steadied and mixed with the input.

  Args:
    method: for ordinary frames.
    stabilise: None steadies networks that see each frame by itself.
    strength: see `methods.Mixed`.
    say: is told at the end of a video by how much it flickers.

  Raises:
    UserError: as `methods.Mixed`.
  """
  if method.flickers if stabilise is None else stabilise:
    method = methods.Steadied(
      method,
      lambda before, after: say(f"flicker {100 * before:.2f} % -> {100 * after:.2f} %, steadied"),
    )
  return method if strength == 1.0 else methods.Mixed(method, strength)


def tell(model: str, method: Method, height: int, width: int, say: Say) -> None:
  """Says how frames of that size are run; raises as `Method.about`."""
  about = method.about(height, width)
  if about != method.name:
    compiling = "" if model in CLASSIC else "; compiling, once (the next run is faster) ..."
    say(f"{model}: {about}{compiling}")
