"""Runs a LiteRT file on frames from a file, with its interpreter alone.

`python -P litert_runner.py FOLDER INPUTS.npz OUTPUTS.npz`: every array of INPUTS, called "NUMBER
WAY", comes out under the same name; `milliseconds N` is what a frame takes with N threads, the
median of some. Ways: `serving_default`; `next`: clips [1, t, h, w, c], the first frame through
`start`, each other one through `next`. Nothing of this package is imported.
"""

import sys
import time
from typing import Any

import numpy as np

THREADS = (1, 2)
TIMED = 5


def apply(network: Any, way: str, given: np.ndarray) -> tuple[np.ndarray, float]:
  """What the network makes of one array; and the median of the seconds of a call."""
  seconds = []

  def call(name: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    runner = network.get_signature_runner(name)
    begin = time.perf_counter()
    result = {key: np.array(value) for key, value in runner(**inputs).items()}
    seconds.append(time.perf_counter() - begin)
    return result

  if way != "next":
    frames = call(way, clip=given)["clip"]
    return frames, float(np.median(seconds)) / given.shape[1]
  result = call("start", frame=given[:, 0])
  parts = [result.pop("frame")]
  for index in range(1, given.shape[1]):
    result = call("next", frame=given[:, index], **result)
    parts.append(result.pop("frame"))
  return np.stack(parts, axis=1), float(np.median(seconds[1:]))


def main(folder: str, inputs: str, outputs: str) -> None:
  """Loads the file, applies it to each array of `inputs`, writes `outputs`."""
  from ai_edge_litert.interpreter import Interpreter

  with np.load(inputs) as arrays:
    given = dict(arrays)
  results: dict[str, np.ndarray] = {}
  for threads in THREADS:
    network = Interpreter(f"{folder}/model.tflite", num_threads=threads)
    for name, array in given.items():
      results[name], _ = apply(network, name.split()[1], array)
    name, array = next(iter(given.items()))
    times = [apply(network, name.split()[1], array)[1] for _ in range(TIMED)]
    results[f"milliseconds {threads}"] = np.asarray(1000 * np.median(times))
  np.savez(outputs, **results)  # type: ignore[arg-type]


if __name__ == "__main__":
  main(*sys.argv[1:])
