"""HDR video as ordinary sRGB: PQ and HLG to light, BT.2020 to BT.709, brightness to a display's.

ITU-R BT.2100 (the two curves), BT.2087 (primaries), BT.2408 (203 cd/m2 is a sheet of white paper).
Light above paper white is rolled off towards `PEAK`, so that lamps keep their shape.
"""

import functools

import cv2
import numpy as np

from llve_jax.shapes import Frame8, Frame16

PQ, HLG = 16, 18  # TransferCharacteristics of H.273
PAPER = 203.0  # cd/m2
PEAK = 1000.0  # cd/m2: becomes white
_KNEE = 0.7  # of paper white, in light: below it nothing changes
_BT2020 = 9  # ColourPrimaries of H.273
_TO_BT709 = np.array(
  [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


def to_sdr(image: Frame16, transfer: int, primaries: int, *, deep: bool) -> Frame8 | Frame16:
  """A frame of PQ or HLG as sRGB.

  Args:
    image: R'G'B' [h, w, 3].
    transfer: `PQ` or `HLG`.
    primaries: of H.273; BT.2020 (also where unspecified) is converted, others stay.
    deep: uint16 instead of uint8.
  """
  light = _light(transfer)[image]
  if primaries in (2, _BT2020):
    light = np.maximum(cv2.transform(light, _TO_BT709), 0.0)
  # One factor for the three channels keeps the hue.
  brightest = light.max(-1)
  light = light * (_rolled(brightest) / np.maximum(brightest, 1e-6))[..., None]
  codes = np.clip(light * 65535.0 + 0.5, 0, 65535).astype(np.uint16)
  return _srgb(deep)[codes]


@functools.cache
def _light(transfer: int) -> np.ndarray:
  """16-bit codes to light, 1 for paper white; float32 [65536]."""
  value = np.arange(65536) / 65535.0
  if transfer == PQ:
    power = value ** (32 / 2523)
    light = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return (10000.0 * light ** (8192 / 1305) / PAPER).astype(np.float32)
  a, b, c = 0.17883277, 0.28466892, 0.55991073
  scene = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
  return (PEAK * scene**1.2 / PAPER).astype(np.float32)  # gamma 1.2: a display of 1000 cd/m2


def _rolled(light: np.ndarray) -> np.ndarray:
  """Light in [0, PEAK / PAPER] to [0, 1]: a line, then a curve that leaves it at its slope.

  Above the knee k, with x = (light - k) / (1 - k): k + (1 - k) x (1 + x / m^2) / (1 + x), where m
  is the largest x (Reinhard et al., SIGGRAPH 2002, equation 4).
  """
  most = (PEAK / PAPER - _KNEE) / (1 - _KNEE)
  over = np.clip((light - _KNEE) / (1 - _KNEE), 0.0, most)
  curve = _KNEE + (1 - _KNEE) * over * (1 + over / most**2) / (1 + over)
  return np.where(light <= _KNEE, light, curve)


@functools.cache
def _srgb(deep: bool) -> np.ndarray:
  """16-bit light to sRGB codes (IEC 61966-2-1)."""
  light = np.arange(65536) / 65535.0
  value = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
  return np.round(value * (65535 if deep else 255)).astype(np.uint16 if deep else np.uint8)
