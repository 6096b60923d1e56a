"""Networks that come with this library, by name: `night` is what people get without asking.

Each has a model card beside it (`llve_jax/zoo/cards`): what it was trained on, by which command,
what it scores and what it cannot do. Weights are safetensors of 16-bit floats.
"""

import dataclasses
import hashlib
import os
import sys
from pathlib import Path

import numpy as np

from llve_jax.errors import UserError
from llve_jax.io import bundle

DEFAULT = "night"
_HERE = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Shipped:
  """One entry of the table.

  Attributes:
    summary: what it is for, in a few words.
    sha256: of its file; another one is refused.
    parameters: how many.
    research: trained on pictures that are free for research only; said whenever it is used.
    licence: of the weights.
    figures: PSNR in dB / SSIM on validation scenes, frames/s at 352x288 on two CPU cores.
  """

  summary: str
  sha256: str
  parameters: int
  research: bool
  licence: str
  figures: str


SHIPPED: dict[str, Shipped] = {
  "night": Shipped(
    summary="Dark films and photographs; what is used where nothing is said.",
    sha256="010ba8a37d84358378a0a09fe4ce09397f426687047aee4d4a2a864ed0332a75",
    parameters=383447,
    research=False,
    licence="Apache-2.0, CC BY",
    figures="multi_exposure 20.8 dB/.778, noisy_indoor 17.4 dB/.738",
  ),
  "night-small": Shipped(
    summary="As night, with half of the blocks, for slow machines.",
    sha256="952d9468c287dd26b4f0c23832215b4efb36e2433e0c62c11179262200203b9c",
    parameters=198743,
    research=False,
    licence="Apache-2.0, CC BY",
    figures="multi_exposure 20.9 dB/.780, noisy_indoor 17.6 dB/.741",
  ),
  "night-research": Shipped(
    summary="Dark films and photographs; also trained on pairs.",
    sha256="3c6e913c940f2f831f021b89c524b0d8aeff4132f5501daa795a933378378e1e",
    parameters=383447,
    research=True,
    licence="research only",
    figures="multi_exposure 22.9 dB/.807, noisy_indoor 21.9 dB/.802",
  ),
  "night-research-small": Shipped(
    summary="As night-research, with half of the blocks.",
    sha256="aa7e4139f07224f763526676db6b98eaf219c57a4552b93914d07e311d90cd44",
    parameters=198743,
    research=True,
    licence="research only",
    figures="multi_exposure 22.7 dB/.808, noisy_indoor 21.8 dB/.799",
  ),
}


def weights_file(name: str) -> Path:
  """Where the weights of a shipped network lie."""
  return _HERE / "weights" / f"{name.replace('-', '_')}.safetensors"


def card_file(name: str) -> Path:
  """Where the model card of a shipped network lies."""
  return _HERE / "cards" / f"{name}.md"


def checked(name: str, *, quiet: bool = False) -> Path:
  """The weights of a shipped network, which are those that were published.

  Args:
    name: key of `SHIPPED`.
    quiet: do not print that weights are for research only.

  Raises:
    UserError: no such network (lists them), or its file is missing or is another one.
  """
  if name not in SHIPPED:
    raise UserError(f"no shipped network is called {name!r}; known: {', '.join(SHIPPED)}")
  path, entry = weights_file(name), SHIPPED[name]
  if not path.is_file():
    raise UserError(f"{path}: missing; install llve_jax again")
  found = hashlib.sha256(path.read_bytes()).hexdigest()
  if found != entry.sha256:
    raise UserError(
      f"{path}: not the weights that were published: SHA-256 {found}, expected {entry.sha256}; the "
      "file was cut off or changed, install llve_jax again"
    )
  if entry.research and not quiet:
    print(f"{name}: for research only, see {card_file(name)}", file=sys.stderr)
  return path


def is_name(given: str | os.PathLike[str]) -> bool:
  """Whether something means a shipped network; a path of that name is written `./NAME`."""
  return str(given) in SHIPPED


def pack(source: str | os.PathLike[str], path: str | os.PathLike[str]) -> str:
  """Writes weights of a training run as they are shipped, in 16-bit floats; returns the SHA-256.

  Raises:
    UserError: a weight does not fit 16 bits.
  """
  read = bundle.load(source)
  variables = {}
  for name, value in bundle.flatten(read.variables).items():
    with np.errstate(over="ignore"):
      half = np.asarray(value).astype(np.float16)
    if not np.isfinite(half).all():
      raise UserError(f"{source}: {name} does not fit 16-bit floats")
    variables[name] = half
  bundle.save(path, dataclasses.replace(read, variables=bundle.unflatten(variables)))
  return hashlib.sha256(Path(path).read_bytes()).hexdigest()
