"""Runs a LiteRT file or ONNX files on frames from a file, with their own runtime alone.

`python -P fixed_size_runner.py FOLDER INPUTS.npz OUTPUTS.npz`: every array of INPUTS, called
"NUMBER WAY", comes out under the same name; `milliseconds N` is what a frame takes with N threads,
the median of some. Ways: `serving_default`; `next`: clips [b, t, h, w, c], the first frame through
`start`, each other one through `next`; `planes`: [1, c, h, w]. Nothing of this package is imported.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]
Call = Callable[[str, Arrays], Arrays]

THREADS = (1, 2)
TIMED = 5


def litert(file: Path, threads: int) -> Call:
  """What calls a signature of a LiteRT file."""
  from ai_edge_litert.interpreter import Interpreter

  network = Interpreter(str(file), num_threads=threads)

  def call(name: str, inputs: Arrays) -> Arrays:
    found = network.get_signature_runner(name)(**inputs)
    return {key: np.array(value) for key, value in found.items()}

  return call


def onnx(folder: Path, threads: int) -> Call:
  """What calls a signature, each a file of its own."""
  import onnxruntime

  options = onnxruntime.SessionOptions()
  options.intra_op_num_threads = threads
  sessions = {
    path.stem: onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for path in folder.glob("*.onnx")
  }

  def call(name: str, inputs: Arrays) -> Arrays:
    names = [each.name for each in sessions[name].get_outputs()]
    found = sessions[name].run(names, inputs)
    return {key.removeprefix("out_"): value for key, value in zip(names, found, strict=True)}

  return call


def apply(call: Call, way: str, given: np.ndarray) -> tuple[np.ndarray, float]:
  """What the network makes of one array; and the median of the seconds of a frame."""
  seconds = []

  def timed(name: str, inputs: Arrays) -> Arrays:
    begin = time.perf_counter()
    found = call(name, inputs)
    seconds.append(time.perf_counter() - begin)
    return found

  if way == "planes":
    return timed("serving_default", {"frame": given})["frame"], float(np.median(seconds))
  if way != "next":
    frames = timed(way, {"clip": given})["clip"]
    return frames, float(np.median(seconds)) / (given.shape[0] * given.shape[1])
  result = timed("start", {"frame": given[:, 0]})
  parts = [result.pop("frame")]
  for index in range(1, given.shape[1]):
    result = timed("next", {"frame": given[:, index], **result})
    parts.append(result.pop("frame"))
  return np.stack(parts, axis=1), float(np.median(seconds[1:])) / given.shape[0]


def main(folder: str, inputs: str, outputs: str) -> None:
  """Loads the network, applies it to each array of `inputs`, writes `outputs`."""
  file = Path(folder) / "model.tflite"
  with np.load(inputs) as arrays:
    given = dict(arrays)
  results: Arrays = {}
  for threads in THREADS:
    call = litert(file, threads) if file.exists() else onnx(Path(folder), threads)
    for name, array in given.items():
      results[name], _ = apply(call, name.split()[1], array)
    name, array = next(iter(given.items()))
    times = [apply(call, name.split()[1], array)[1] for _ in range(TIMED)]
    results[f"milliseconds {threads}"] = np.asarray(1000 * np.median(times))
  np.savez(outputs, **results)  # type: ignore[arg-type]


if __name__ == "__main__":
  main(*sys.argv[1:])
