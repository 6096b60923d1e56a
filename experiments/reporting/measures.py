"""How a number is called, printed and averaged over seeds."""

import dataclasses
import math
from collections.abc import Iterable

NOTHING = "\N{EN DASH}"  # printed where there is no number


@dataclasses.dataclass(frozen=True)
class Measure:
  """How a metric is shown.

  Attributes:
    label: on the page.
    better: "higher" or "lower"; empty where neither is.
    digits: after the point; negative: significant digits instead.
  """

  label: str
  better: str
  digits: int

  def text(self, value: float) -> str:
    """The number as printed."""
    if not math.isfinite(value):
      return str(value)
    return f"{value:.{self.digits}f}" if self.digits >= 0 else f"{value:.{-self.digits}g}"


MEASURES = {
  "psnr": Measure("PSNR, dB", "higher", 2),
  "ssim": Measure("SSIM", "higher", 4),
  "psnr_validation": Measure("PSNR on validation, dB", "higher", 2),
  "ssim_validation": Measure("SSIM on validation", "higher", 4),
  "lpips_alex": Measure("LPIPS (AlexNet)", "lower", 4),
  "niqe": Measure("NIQE", "lower", 2),
  "fid": Measure("FID", "lower", 1),
  "fid_vgg16": Measure("Frechet distance on VGG-16", "lower", 2),
  "mabd": Measure("MABD", "", -3),
  "mse_mabd": Measure("MSE(MABD)", "lower", -3),
  "mse_mabd_usc": Measure("MSE(MABD) of C's code, 1e-3", "lower", -3),
  "flicker": Measure("flicker", "lower", -3),
  "warp_err": Measure("warping error", "lower", -3),
  "tpsnr": Measure("TPSNR, dB", "higher", 2),
  "tssim": Measure("TSSIM", "higher", 3),
  "tmae": Measure("TMAE", "lower", 2),
}


def measure(name: str) -> Measure:
  """How a metric is shown; one that is not known by its name, with four significant digits."""
  return MEASURES.get(name, Measure(name, "", -4))


@dataclasses.dataclass(frozen=True)
class Summary:
  """Several runs' figure.

  Attributes:
    mean: over the runs.
    spread: their sample standard deviation (n - 1); None of one run, or of infinite figures.
    count: of runs.
  """

  mean: float
  spread: float | None
  count: int


def summarize(values: Iterable[float]) -> Summary | None:
  """Mean and spread; None of nothing."""
  numbers = list(values)
  if not numbers:
    return None
  mean = math.fsum(numbers) / len(numbers)
  if len(numbers) < 2 or not math.isfinite(mean):
    return Summary(mean, None, len(numbers))
  squares = math.fsum((number - mean) ** 2 for number in numbers)
  return Summary(mean, math.sqrt(squares / (len(numbers) - 1)), len(numbers))
