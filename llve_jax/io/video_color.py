"""How the luma and chroma of a video become RGB and back: matrix, range, tags.

The numbers are those of ITU-T H.273 (and H.264, annex E), which every container and codec shares.
"""

import dataclasses

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from llve_jax.shapes import Frame8

UNSPECIFIED = 2
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
    full and not frame.format.is_rgb,
    int(frame.color_primaries),
    int(frame.color_trc),
  )


def to_rgb(frame: av.VideoFrame, tags: ColorTags, reformatter: VideoReformatter) -> Frame8:
  """A decoded frame as R'G'B', uint8 [h, w, 3]."""
  if frame.format.is_rgb:
    return np.asarray(reformatter.reformat(frame, format="rgb24").to_ndarray(), np.uint8)
  rgb = reformatter.reformat(
    frame,
    format="rgb24",
    src_colorspace=_MATRICES[tags.matrix],
    src_color_range=ColorRange.JPEG if tags.full_range else ColorRange.MPEG,
    dst_color_range=ColorRange.JPEG,
    interpolation=_EXACT,
  )
  return np.asarray(rgb.to_ndarray(), np.uint8)


def from_rgb(
  image: Frame8, pixel_format: str, matrix: int, reformatter: VideoReformatter
) -> av.VideoFrame:
  """An R'G'B' image, uint8 [h, w, 3], as a frame of luma and chroma ready to encode.

  Always of limited range: on the way to full range swscale rounds chroma down, half a step of
  green cast on average.
  """
  frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
  return reformatter.reformat(
    frame,
    format=pixel_format,
    src_color_range=ColorRange.JPEG,
    dst_colorspace=_MATRICES[matrix],
    dst_color_range=ColorRange.MPEG,
    interpolation=_EXACT,
  )


def _usual_matrix(height: int) -> int:
  return BT709 if height >= _HD_LINES else BT601
