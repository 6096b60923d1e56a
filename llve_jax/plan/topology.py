"""Devices of a TPU slice that need not be there, to compile for.

Google's `libtpu`, which `jax[tpu]` installs, holds the compiler; it runs on any x86 Linux machine.
"""

import dataclasses
import importlib.util
import math
import os
import re

import jax
from jax.experimental import topologies

from llve_jax.errors import UserError
from llve_jax.io.platform import without_tpu
from llve_jax.plan.chips import CHIPS, Chip

# Google Cloud, "TPU v5e", "TPU v6e", "TPU v4", "TPU v5p": the slices of 8 to 256 chips.
_FLAT = ((2, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16))
_CUBES = ((2, 2, 2), (2, 2, 4), (2, 4, 4), (4, 4, 4), (4, 4, 8), (4, 8, 8))


@dataclasses.dataclass(frozen=True)
class Topology:
  """A slice: chips of one generation in a box.

  Attributes:
    chip: the generation.
    shape: chips along each dimension.
  """

  chip: Chip
  shape: tuple[int, ...]

  @property
  def size(self) -> int:
    """How many chips."""
    return math.prod(self.shape)

  def __str__(self) -> str:
    return f"{self.chip.name}:{'x'.join(map(str, self.shape))}"

  def devices(self) -> list[jax.Device]:
    """Its devices; programs can be compiled for them, not run.

    Raises:
      UserError: libtpu is not installed, or knows no such slice.
    """
    if importlib.util.find_spec("libtpu") is None and not os.environ.get("TPU_LIBRARY_PATH"):
      raise UserError(
        "compiling for a TPU needs Google's libtpu, which is not installed; install it with: "
        "pip install 'llve_jax[tpu]'"
      )
    # Of v4, whose two cores JAX can also use as two devices.
    options: dict[str, object] = {"chip_config_name": "megacore"} if self.chip.name == "v4" else {}
    if self.size == 1:
      options["chips_per_host_bounds"] = (1, 1, 1)
    without_tpu()
    # Else a process that uses a TPU of this machine keeps this one from loading the library.
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
    try:
      return list(topologies.get_topology_desc(str(self), "tpu", **options).devices)
    except (RuntimeError, ValueError) as error:
      reason = (str(error).splitlines() or [type(error).__name__])[0]
      raise UserError(f"topology {self}: libtpu cannot compile for it: {reason}") from error


def parse(text: str) -> Topology:
  """The slice that a text such as "v5e:16x16" names.

  Raises:
    UserError: another form, an unknown generation or an impossible shape; lists what is known.
  """
  match = re.fullmatch(r"(\w+):(\d+(?:x\d+)*)", text.strip())
  if match is None:
    raise UserError(
      f"topology {text!r}: expected GENERATION:SHAPE such as v5e:2x4 or v4:2x2x2; generations: "
      f"{', '.join(CHIPS)}"
    )
  generation, shape = match[1], tuple(int(size) for size in match[2].split("x"))
  chip = _chip(generation, text)
  lone = math.prod(shape) == 1
  fits = len(shape) == chip.dimensions and 1 <= math.prod(shape) <= chip.most
  if not fits or not (lone or all(s % h == 0 for s, h in zip(shape, chip.host, strict=True))):
    known = ", ".join("x".join(map(str, size)) for size in _shapes(chip))
    raise UserError(
      f"topology {text!r}: {generation} has slices of {chip.dimensions} dimensions made of blocks "
      f"of {'x'.join(map(str, chip.host))} chips, {chip.most} at most, such as {known}"
    )
  return Topology(chip, shape)


def slices(generation: str) -> list[Topology]:
  """The standard slices of 8, 16, ... 256 chips.

  Raises:
    UserError: an unknown generation.
  """
  chip = _chip(generation, generation)
  return [Topology(chip, shape) for shape in _shapes(chip)]


def one_chip(chip: Chip) -> Topology:
  """A slice of a single chip."""
  return Topology(chip, (1,) * chip.dimensions)


def _chip(generation: str, text: str) -> Chip:
  if generation not in CHIPS:
    raise UserError(
      f"topology {text!r}: no generation is named {generation!r}; known: {', '.join(CHIPS)}"
    )
  return CHIPS[generation]


def _shapes(chip: Chip) -> tuple[tuple[int, ...], ...]:
  return _FLAT if chip.dimensions == 2 else _CUBES
