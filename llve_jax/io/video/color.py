"""How the luma and chroma of a video become RGB and back: matrix, range, tags.

The numbers are those of ITU-T H.273 (and H.264, annex E), which every container and codec shares.
"""

import dataclasses
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from llve_jax.shapes import Frame8, Frame16

UNSPECIFIED = 2
_WHITE = 255 << 8  # of swscale's R'G'B' of 16 bits, made of luma and chroma or to be made so
BT709 = 1
BT601 = 6
SRGB_TRANSFER = 13

# MatrixCoefficients of H.273 -> the same matrix in swscale. 5 and 6 are both BT.601.
_MATRICES = {
  1: Colorspace.ITU709,
  4: Colorspace.FCC,
  5: Colorspace.ITU601,
  6: Colorspace.ITU601,
  7: Colorspace.SMPTE240M,
  9: Colorspace.BT2020,
  10: Colorspace.BT2020,
}
_NAMES = {1: "BT.709", 4: "FCC", 5: "BT.601", 6: "BT.601", 7: "SMPTE 240M", 9: "BT.2020"}
_NAMES[10] = "BT.2020"
_HDR_TRANSFERS = {16, 18}  # PQ, HLG
_HD_LINES = 720
# Without these, swscale halves the vertical chroma resolution and rounds down.
_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


@dataclasses.dataclass(frozen=True)
class ColorTags:
  """What a stream says, or is taken to say, about its colours; integers as in H.273.

  Attributes:
    matrix: how luma and chroma are made of R'G'B'; never unspecified.
    full_range: luma spans 0..255 instead of 16..235.
    primaries: chromaticities of R, G, B; carried along, never converted.
    transfer: the tone curve; carried along, never converted.
  """

  matrix: int
  full_range: bool = False
  primaries: int = UNSPECIFIED
  transfer: int = UNSPECIFIED

  @property
  def name(self) -> str:
    """What people call the matrix."""
    return _NAMES[self.matrix]

  @property
  def is_hdr(self) -> bool:
    """Whether the tone curve is PQ or HLG, so that the pixels are no sRGB."""
    return self.transfer in _HDR_TRANSFERS


def default_tags(height: int) -> ColorTags:
  """Tags for sRGB frames that come from no video: BT.601 below 720 lines, BT.709 from there on."""
  return ColorTags(_usual_matrix(height), primaries=BT709, transfer=SRGB_TRANSFER)


def tags_of(frame: av.VideoFrame) -> ColorTags:
  """The tags of a decoded frame.

  An untagged frame is BT.601 below 720 lines and BT.709 from there on, as players take it, and of
  limited range. (swscale alone would take BT.601 at any size.)
  """
  matrix = int(frame.colorspace)
  full = int(frame.color_range) == ColorRange.JPEG or frame.format.name.startswith("yuvj")
  return ColorTags(
    matrix if matrix in _MATRICES else _usual_matrix(frame.height),
    full and not _is_rgb(frame.format),
    int(frame.color_primaries),
    int(frame.color_trc),
  )


def is_tagged(frame: av.VideoFrame) -> bool:
  """Whether a decoded frame says by which matrix its colours were made, or needs none."""
  return _is_rgb(frame.format) or int(frame.colorspace) in _MATRICES


def bits_of(frame: av.VideoFrame) -> int:
  """Bits of a channel of a decoded frame."""
  return 8 if frame.format.has_palette else max(part.bits for part in frame.format.components)


def to_rgb(
  frame: av.VideoFrame, tags: ColorTags, reformatter: VideoReformatter, *, deep: bool = False
) -> Frame8 | Frame16:
  """A decoded frame as R'G'B' [h, w, 3]: uint8, or uint16 up to 65535 if `deep`."""
  # swscale makes planes twice as fast as interleaved colours, and the same numbers.
  planar = "gbrp16le" if deep else "gbrp"
  if _is_rgb(frame.format):
    planes = reformatter.reformat(frame, format=planar)
  else:
    planes = reformatter.reformat(
      frame,
      format=planar,
      src_colorspace=_MATRICES[tags.matrix],
      src_color_range=ColorRange.JPEG if tags.full_range else ColorRange.MPEG,
      dst_color_range=ColorRange.JPEG,
      interpolation=_EXACT,
      threads=1,
    )
  green, blue, red = _views(planes)
  image = np.asarray(cv2.merge([red, green, blue]))
  return _scaled(image, 65535 / _white_of(frame)) if deep else image


def from_rgb(
  image: Frame8 | Frame16, pixel_format: str, matrix: int, reformatter: VideoReformatter
) -> av.VideoFrame:
  """An R'G'B' image [h, w, 3], uint8 or uint16, as luma and chroma ready to encode.

  Always of limited range: on the way to full range swscale rounds chroma down, half a step of
  green cast on average.
  """
  if image.dtype == np.uint16:
    image = _scaled(image, _WHITE / 65535)
  height, width = image.shape[:2]
  planes = av.VideoFrame(width, height, "gbrp" if image.dtype == np.uint8 else "gbrp16le")
  green, blue, red = _views(planes)
  for channel, plane in enumerate((red, green, blue)):
    cv2.extractChannel(image, channel, plane)
  return reformatter.reformat(
    planes,
    format=pixel_format,
    src_color_range=ColorRange.JPEG,
    dst_colorspace=_MATRICES[matrix],
    dst_color_range=ColorRange.MPEG,
    interpolation=_EXACT,
    threads=1,
  )


def _white_of(frame: av.VideoFrame) -> int:
  """What swscale makes of the largest value on the way to 16 bits: it only shifts."""
  if not _is_rgb(frame.format) and len(frame.format.components) > 1:
    return _WHITE
  bits = bits_of(frame)
  return ((1 << bits) - 1) << (16 - bits)


def _scaled(image: Frame16, factor: Any) -> Frame16:
  return image if factor == 1 else np.asarray(cv2.multiply(image, factor, dtype=cv2.CV_16U))


def _views(frame: av.VideoFrame) -> list[np.ndarray]:
  """The planes of a frame as arrays [h, w] that share its memory."""
  dtype = np.uint8 if bits_of(frame) == 8 else np.dtype("<u2")
  return [
    np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)[:, : plane.width]
    for plane in frame.planes
  ]


def _is_rgb(pixels: av.VideoFormat) -> bool:
  return pixels.is_rgb or pixels.has_palette


def _usual_matrix(height: int) -> int:
  return BT709 if height >= _HD_LINES else BT601
