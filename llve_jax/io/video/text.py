"""Subtitles from one codec of plain text into another."""

import re
from typing import Any

import av

# What FFmpeg's encoders of text want to know of fonts; none of it is written for plain text.
_HEADER = b"""[Script Info]
ScriptType: v4.00+
[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_ASS_FIELDS = 8  # before the text
_ASS_MARK = re.compile(r"\{[^}]*\}")
_TAG = re.compile(r"</?[a-zA-Z][^>]*>")


class Text:
  """Rewrites subtitle packets; line breaks are kept, fonts and colours are not.

  Attributes:
    output: the track of the target.
  """

  def __init__(self, container: Any, stream: Any, codec: str):
    """Adds the track to an output container of PyAV."""
    self.output = container.add_stream(codec)
    self.output.codec_context.subtitle_header = _HEADER
    self.output.codec_context.time_base = stream.time_base
    self.output.time_base = stream.time_base
    self._from, self._to = stream.codec_context.codec.canonical_name, codec

  def packets(self, packet: Any) -> list[Any]:
    """As `_Track`."""
    text = plain(bytes(packet), self._from)
    if not text or packet.pts is None:
      return []
    data = text.encode()
    made = av.Packet(len(data).to_bytes(2, "big") + data if self._to == "mov_text" else data)
    made.pts = made.dts = packet.pts
    made.duration, made.time_base = packet.duration, packet.time_base
    made.stream = self.output
    return [made]

  def finish(self) -> list[Any]:
    """As `_Track`."""
    return []


def plain(data: bytes, codec: str) -> str:
  """The words of a packet of subtitles."""
  if codec == "mov_text":
    return data[2 : 2 + int.from_bytes(data[:2], "big")].decode(errors="replace")
  text = data.decode(errors="replace").strip("\0")
  if codec in ("ass", "ssa"):
    text = text.split(",", _ASS_FIELDS)[-1]
    return _ASS_MARK.sub("", text).replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
  return _TAG.sub("", text)
