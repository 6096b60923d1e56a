"""A video that comes in parts is as one stream, for every method and whatever is wrapped around."""

from collections.abc import Callable, Iterator

import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.methods import Mixed, Steadied
from llve_jax.methods.classic import Classic
from llve_jax.methods.lift import Lifted
from llve_jax.methods.light import Undeveloped
from llve_jax.methods.method import Frame, Memory, Method
from llve_jax.models.contract import Traits
from tests.methods.networks import of_function, of_model
from tests.methods.test_cuts import film, scene


def shots(count: int = 11) -> np.ndarray:
  """Three shots of unequal length, darker and brighter."""
  gains = (0.4, 0.2, 0.5)
  parts = [film(scene(k, 16, 20), count + 2 * k, gain=g, noise=2) for k, g in enumerate(gains)]
  return np.concatenate(parts)


def in_parts(method: Method, frames: np.ndarray, size: int, *, rounded: bool) -> list[Frame]:
  """All that comes out, by a new stream for each part."""
  memory, out = Memory(), []

  def part(start: int) -> Iterator[Frame]:
    yield from frames[start : start + size]
    memory.more = start + size < len(frames)

  for start in range(0, len(frames), size):
    memory = Memory(memory.kept)
    out += list(method.stream(part(start), rounded=rounded, memory=memory))
  return out


def averaging() -> Method:
  """Streams: the mean of all frames of the shot so far."""

  def apply(clip, carry):
    total, count = (jnp.zeros_like(clip[:, 0]), jnp.float32(0)) if carry is None else carry
    out = []
    for index in range(clip.shape[1]):
      total, count = total + clip[:, index], count + jnp.float32(1)
      out.append(total / count)
    return jnp.stack(out, 1), (total, count)

  return of_function(apply, Traits(1, 1, streaming=True), batch=4)[0]


def looking_around() -> Method:
  def apply(clip):
    padded = jnp.pad(clip, ((0, 0), (2, 2), (0, 0), (0, 0), (0, 0)), mode="edge")
    length = clip.shape[1]
    return sum(padded[:, k : k + length] for k in range(5)) * jnp.float32(0.2)

  return of_function(apply, Traits(1, 1, frames=5, least_frames=2), batch=3)[0]


METHODS: dict[str, Callable[[], Method]] = {
  "streams": averaging,
  "windows": looking_around,
  "single frames": lambda: of_function(lambda clip: clip * 2, Traits(1, 1), batch=4)[0],
  "raw light": lambda: Undeveloped(
    of_function(lambda clip: clip * 2, Traits(1, 1, input_kind="raw_rgb"), batch=4)[0]
  ),
  "auto_gain": lambda: Classic("auto_gain"),
  "clahe": lambda: Classic("clahe"),
  "steadied": lambda: Steadied(Classic("hist_eq")),
  "steadied windows": lambda: Steadied(looking_around()),
  "all": lambda: Mixed(Steadied(Lifted(averaging(), 2.0)), 0.5),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("size", "rounded"), [(7, True), (1, False), (16, False)])
def test_parts_are_as_one_stream(name: str, size: int, rounded: bool) -> None:
  frames, method = shots(), METHODS[name]()
  whole = method(frames, rounded=rounded)
  np.testing.assert_array_equal(
    np.stack(in_parts(method, frames, size, rounded=rounded)), whole, strict=True
  )


@pytest.mark.slow
def test_a_network_of_the_library_in_tiles() -> None:
  """Each tile has a memory, of a form that the network alone knows."""
  method, _, _ = of_model(
    "recurrent_unet",
    {"widths": (4, 4), "blocks": (0, 1), "decoder_blocks": (0,), "code": 4},
    tile=88,
    batch=3,
  )
  frames = np.tile(shots(3), (1, 6, 6, 1))[:, :96, :100]
  whole = method(frames)
  np.testing.assert_array_equal(np.stack(in_parts(method, frames, 5, rounded=True)), whole)


def test_flicker_is_told_once_of_all_parts() -> None:
  told: list[tuple[float, float]] = []
  method = Steadied(Classic("hist_eq"), lambda *shares: told.append(shares))
  method(shots())
  in_parts(method, shots(), 6, rounded=True)
  assert len(told) == 2
  assert told[0] == pytest.approx(told[1])
