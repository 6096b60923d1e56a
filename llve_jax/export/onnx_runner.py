"""Runs ONNX files on frames from a file, with onnxruntime alone.

`python -P onnx_runner.py FOLDER INPUTS.npz OUTPUTS.npz`: every array of INPUTS, called "NUMBER
WAY", comes out under the same name; `milliseconds N` is what a frame takes with N threads, the
median of some. Ways: `serving_default`; `next`: clips [1, t, h, w, c], the first frame through
`start`, each other one through `next`. Nothing of this package is imported.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

THREADS = (1, 2)
TIMED = 5


def apply(sessions: dict[str, Any], way: str, given: np.ndarray) -> tuple[np.ndarray, float]:
  """What the files make of one array; and the median of the seconds of a frame."""
  seconds = []

  def call(name: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    names = [each.name for each in sessions[name].get_outputs()]
    begin = time.perf_counter()
    found = sessions[name].run(names, inputs)
    seconds.append(time.perf_counter() - begin)
    return {key.removeprefix("out_"): value for key, value in zip(names, found, strict=True)}

  if way != "next":
    frames = call(way, {"clip": given})["clip"]
    return frames, float(np.median(seconds)) / given.shape[1]
  result = call("start", {"frame": given[:, 0]})
  parts = [result.pop("frame")]
  for index in range(1, given.shape[1]):
    result = call("next", {"frame": given[:, index], **result})
    parts.append(result.pop("frame"))
  return np.stack(parts, axis=1), float(np.median(seconds[1:]))


def main(folder: str, inputs: str, outputs: str) -> None:
  """Loads the files, applies them to each array of `inputs`, writes `outputs`."""
  import onnxruntime

  with np.load(inputs) as arrays:
    given = dict(arrays)
  results: dict[str, np.ndarray] = {}
  for threads in THREADS:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    sessions = {
      path.stem: onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
      for path in Path(folder).glob("*.onnx")
    }
    for name, array in given.items():
      results[name], _ = apply(sessions, name.split()[1], array)
    name, array = next(iter(given.items()))
    times = [apply(sessions, name.split()[1], array)[1] for _ in range(TIMED)]
    results[f"milliseconds {threads}"] = np.asarray(1000 * np.median(times))
  np.savez(outputs, **results)  # type: ignore[arg-type]


if __name__ == "__main__":
  main(*sys.argv[1:])
