"""What `--model=NAME|FILE|RUN_FOLDER` means, in every command."""

import os
from pathlib import Path

from llve_jax.errors import UserError
from llve_jax.methods.classic import CLASSIC, OPTIONAL, Classic
from llve_jax.methods.method import Method
from llve_jax.zoo import shipped

HELP = (
  "A method: the name of a shipped network (python -m llve_jax.zoo) or of a classic one, a weights "
  "file, or the folder of a training run (./NAME for one that is called like a method)."
)


def load(
  model: str | os.PathLike[str],
  *,
  tile: int | None = None,
  batch: int | None = None,
  rows: int = 1,
) -> Method:
  """The method of that name, or of the network in that file or folder.

  Args:
    model: a name of `zoo.shipped.SHIPPED` or of `CLASSIC`, or the path of a weights file or of a
      training run. Names come first: write `./clahe` for a folder that is called like a method.
    tile: of a network, the largest side that it runs in one piece, see `plan.make_plan`.
    batch: of a network, frames per call.
    rows: of a network, devices that share the rows of each frame, which then is run whole.

  Raises:
    UserError: nothing is called so (the message lists what there is), or the weights are damaged.
  """
  name = os.fspath(model)
  if name in CLASSIC or name in OPTIONAL:
    if tile is not None or rows != 1:
      option = "--tile" if tile is not None else "--rows"
      raise UserError(f"{name} is no network, so {option} means nothing to it; leave it out")
    return Classic(name)
  if name not in shipped.SHIPPED and not Path(name).exists():
    raise UserError(
      f"{name}: no method and no file is called so; expected a weights file, the folder of a "
      f"training run, or one of: {', '.join([*shipped.SHIPPED, *CLASSIC, *OPTIONAL])}"
    )
  # Imported here: a classic method should not wait for the libraries that networks need.
  from llve_jax.methods import network
  from llve_jax.zoo import trained

  return network.of(trained.load(name), tile=tile, batch=batch, rows=rows)
