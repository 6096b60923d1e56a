import math

import pytest

from experiments.benchmarks import phone
from llve_jax.errors import UserError
from llve_jax.export.formats import Written
from llve_jax.export.parity import Parity, Trial


@pytest.fixture
def exported(monkeypatch):
  """What the export was asked for; it writes 2 MiB and takes 4 or 3 ms."""
  asked = []

  def export(network, out, format, options):
    asked.append((format, options))
    if options.precision == "int8":
      raise UserError("PSNR 20 dB")
    out.mkdir()
    (out / "model.tflite").write_bytes(bytes(2 * 2**20))
    trials = (
      Trial("next, video of 1 x 8 x 9", 0.1, 0.1, 51.25),
      Trial("next, noise of 1", 0, 0, math.inf),
    )
    return Written(["start"], Parity(trials, 0.0, options.precision, {"1": 4.0, "2": 3.0}))

  monkeypatch.setattr(phone.formats, "export", export)
  return asked


def test_a_line_says_what_a_size_costs(exported):
  line = phone.row("network", "352x288", "float16", "dark.mp4")
  assert " ".join(line.split()) == "352x288 float16 4.0 ms 3.0 ms 2.00 MiB 51.2 dB video"
  ((format, options),) = exported
  assert format == "litert"
  assert (options.size, options.precision, options.video) == ((288, 352), "float16", "dark.mp4")


def test_what_is_refused_is_said(exported):
  assert phone.row("network", "8x8", "int8", None).endswith("refused: PSNR 20 dB")


def test_an_untrained_network_is_of_default_width():
  network = phone.untrained("zero_dce")
  assert network.kwargs == {}
  assert network.variables["params"]["curves"]["conv_0"]["kernel"].shape == (3, 3, 3, 32)
