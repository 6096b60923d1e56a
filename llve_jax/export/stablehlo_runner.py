"""Runs serialised StableHLO on frames from a file, with JAX alone.

`python -P stablehlo_runner.py FOLDER INPUTS.npz OUTPUTS.npz`: every array of INPUTS, called
"NUMBER WAY", comes out under the same name. Ways: `serving_default`; `next`: clips [b, t, h, w, c],
the first frame through `start`, each other one through `next`. Nothing of this package is imported.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np


def apply(programs: dict[str, Any], weights: Any, way: str, given: np.ndarray) -> np.ndarray:
  """What the programs make of one array."""
  if way != "next":
    return np.asarray(programs[way](weights, {"clip": given})["clip"])
  result = programs["start"](weights, {"frame": given[:, 0]})
  frames = [np.asarray(result.pop("frame"))]
  for index in range(1, given.shape[1]):
    result = programs["next"](weights, {"frame": given[:, index], **result})
    frames.append(np.asarray(result.pop("frame")))
  return np.stack(frames, axis=1)


def main(folder: str, inputs: str, outputs: str) -> None:
  """Loads programs and weights, applies them to each array of `inputs`, writes `outputs`."""
  import jax.export
  import safetensors.numpy

  weights = safetensors.numpy.load_file(Path(folder, "weights.safetensors"))
  programs = {
    path.stem: jax.jit(jax.export.deserialize(bytearray(path.read_bytes())).call)
    for path in Path(folder).glob("*.stablehlo")
  }
  with np.load(inputs) as arrays:
    results = {
      name: apply(programs, weights, name.split()[1], given) for name, given in arrays.items()
    }
  assert not {"flax", "llve_jax"} & sys.modules.keys(), "more than JAX was imported"
  np.savez(outputs, **results)  # type: ignore[arg-type]


if __name__ == "__main__":
  main(*sys.argv[1:])
