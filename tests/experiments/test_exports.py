import jax
import numpy as np
import pytest

from experiments.benchmarks import exports
from llve_jax.errors import UserError
from llve_jax.export.formats import Written
from llve_jax.export.parity import Parity, Trial


@pytest.fixture
def exported(monkeypatch):
  """What the export was asked for; it writes 2 MiB, and knows no open sizes in ONNX."""
  asked = []

  def export(network, out, format, options):
    asked.append((format, options.size))
    if format == "onnx" and options.size is None:
      raise UserError("of open sizes")
    out.mkdir()
    (out / "model").write_bytes(bytes(2 * 2**20))
    return Written(["serving_default"], Parity((Trial("it", 3e-6, 0.0, 110.0),), 0.0))

  monkeypatch.setattr(exports.formats, "export", export)
  return asked


def test_a_row_says_how_far_how_large_and_how_long(exported):
  network = exports.stirred_weights("zero_dce", features=4)
  (row,) = exports.rows(network, "saved_model", "12x8")
  assert row == "| `zero_dce` | `saved_model` | 3.0e-06 | 1.0e-05 | 2.0 | 0 |"
  (row,) = exports.rows(network, "litert", "12x8")
  assert row.startswith("| `zero_dce` | `litert`, 12x8 | 3.0e-06 |")
  assert exported == [("saved_model", None), ("litert", (8, 12))]


def test_what_is_refused_is_said_and_tried_at_one_size(exported):
  refused, written = exports.rows(exports.stirred_weights("zero_dce", features=4), "onnx", "12x8")
  assert refused == "| `zero_dce` | `onnx` | refused: of open sizes | | | 0 |"
  assert written.startswith("| `zero_dce` | `onnx`, 12x8 | 3.0e-06 |")


def test_no_weights_are_all_alike():
  """Training starts from biases of zero."""
  network = exports.stirred_weights("zero_dce", features=4)
  leaves = jax.tree.leaves(network.variables)
  assert {leaf.ndim for leaf in leaves} == {1, 4}
  assert min(np.std(leaf) for leaf in leaves) > 0
