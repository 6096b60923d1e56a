"""What lies beside an export: which network it is, from where, under which licence, how exact."""

import hashlib
import importlib.metadata
import math
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np

import llve_jax
from llve_jax.export.options import Options
from llve_jax.export.parity import Parity
from llve_jax.io import bundle
from llve_jax.zoo.shipped import SHIPPED, card_file
from llve_jax.zoo.trained import Trained

NAME = "llve_jax.json"
CARD = "MODEL_CARD.md"
_PACKAGES = ("jax", "jaxlib", "tensorflow", "orbax-export", "ai-edge-litert", "tf2onnx", "flax")


def add_card(folder: Path, shipped: str | None) -> None:
  """Copies the model card of a shipped network into its export."""
  if shipped is not None:
    shutil.copyfile(card_file(shipped), folder / CARD)


def of(
  network: Trained,
  format: str,
  options: Options,
  signatures: list[str],
  found: Parity,
  folder: Path,
  shipped: str | None,
) -> dict[str, Any]:
  """The manifest of an export, as JSON takes it.

  Args:
    network: what was exported.
    format: its name.
    options: what was chosen.
    signatures: a line each.
    found: how far the export is from the network.
    folder: where the export is.
    shipped: the name of the network, if it is one that is shipped.
  """
  traits = network.traits
  return {
    "format": format,
    "precision": options.precision,
    "layout": options.layout,
    "size": f"{options.size[1]}x{options.size[0]}" if options.size else None,  # None: any
    "calibrated_by": Path(options.video).name if options.video else None,
    "signatures": signatures,
    "input": {
      "kind": traits.input_kind,
      "channels": traits.channels,
      "range": list(traits.value_range),
      "scale": traits.scale,
      "least_side": traits.least_side,
      "least_frames": traits.least_frames,
      "frames": traits.frames,
      "streaming": traits.streaming,
      "whole_frame_only": traits.whole_frame_only,
    },
    "network": network.name,
    "kwargs": network.kwargs,
    "origin": network.origin,
    "weights": {
      "shipped": shipped,
      "sha256": weights_hash(network),
      "licence": SHIPPED[shipped].licence if shipped else None,
      "research_only": SHIPPED[shipped].research if shipped else None,
      "card": CARD if shipped else None,
    },
    "versions": {"llve_jax": llve_jax.__version__, **_versions()},
    "files": {
      path.relative_to(folder).as_posix(): {
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
      }
      for path in sorted(folder.rglob("*"))
      if path.is_file()
    },
    "parity": {
      "required": found.criterion,
      "rounding": found.rounding,
      "trials": {
        trial.name: {
          "largest": trial.largest,
          "mean": trial.mean,
          "psnr": trial.psnr if math.isfinite(trial.psnr) else None,
          "rounding": trial.rounding,
          "counts": found.counts(trial),
        }
        for trial in found.trials
      },
    },
    "milliseconds_per_frame_by_threads": found.milliseconds,
  }


def weights_hash(network: Trained) -> str:
  """SHA-256 over names, shapes and float32 values of all weights, by name."""
  found = hashlib.sha256()
  for name, value in sorted(bundle.flatten(jax.device_get(network.variables)).items()):
    array = np.ascontiguousarray(value, np.float32)
    found.update(f"{name} {array.shape}\n".encode())
    found.update(array.tobytes())
  return found.hexdigest()


def _versions() -> dict[str, str]:
  found = {}
  for package in _PACKAGES:
    try:
      found[package] = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
      continue
  return found
