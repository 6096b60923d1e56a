"""Picture files written byte by byte, by none of the libraries that read them."""

import struct
import zlib

import numpy as np

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6  # PNG's types of colour
STORED = {  # EXIF 2.3, tag 0x0112: how a picture lies in a file that asks for this orientation
  1: lambda upright: upright,
  2: lambda upright: upright[:, ::-1],
  3: lambda upright: upright[::-1, ::-1],
  4: lambda upright: upright[::-1],
  5: lambda upright: upright.swapaxes(0, 1),
  6: lambda upright: np.rot90(upright),  # row 0 is the right side: it is to be turned clockwise
  7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
  8: lambda upright: np.rot90(upright, -1),
}
# Primaries as columns, XYZ of D50, as in the profile that Adobe publishes as "Adobe RGB (1998)".
ADOBE = np.array(
  [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)


def picture(dtype=np.uint8, shape=(9, 12), channels=3, seed=0):
  """Noise of every value."""
  top = int(np.iinfo(dtype).max) + 1
  return np.random.default_rng(seed).integers(0, top, (*shape, channels)).astype(dtype)


def chunk(name, content):
  check = zlib.crc32(name + content)
  return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def png(codes, bits, kind, *, before=(), after=()):
  """A PNG file of codes [h, w, c]; `before` and `after` the pixels: (name, content)."""
  height, width, channels = codes.shape
  if bits == 16:
    rows = codes.astype(">u2").reshape(height, -1).view(np.uint8)
  else:
    each = (codes.reshape(height, -1, 1) >> np.arange(bits)[::-1]) & 1
    rows = np.packbits(each.reshape(height, width * channels * bits).astype(np.uint8), axis=1)
  lines = b"".join(b"\0" + row.tobytes() for row in rows)
  header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
  parts = [(b"IHDR", header), *before, (b"IDAT", zlib.compress(lines)), *after, (b"IEND", b"")]
  return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def exif(orientation, order="<"):
  """An EXIF block that says nothing else, without its leading "Exif"."""
  head = b"II*\0" if order == "<" else b"MM\0*"
  entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
  return head + struct.pack(order + "IH", 8, 1) + entry + b"\0\0\0\0"


def profile(tags, *, space=b"RGB ", kind=b"mntr", connection=b"XYZ "):
  """An ICC profile of version 2 with these tags: name -> content."""
  names = {
    **tags,
    b"wtpt": xyz(0.9642, 1.0, 0.8249),
    b"desc": b"desc" + bytes(4) + b"\0\0\0\2x\0" + bytes(80),
  }
  at = 128 + 4 + 12 * len(names)
  table, body = struct.pack(">I", len(names)), b""
  for name, content in names.items():
    content += bytes(-len(content) % 4)
    table += struct.pack(">4sII", name, at + len(body), len(content))
    body += content
  head = struct.pack(">I4sI4s4s4s", at + len(body), b"lcms", 0x02100000, kind, space, connection)
  head += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp")
  head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)  # D50
  return head.ljust(128, b"\0") + table + body


def xyz(*values):
  return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * value) for value in values))


def gamma_curve(power):
  return b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 * power))


def matrix_profile(matrix=ADOBE, curve=None):
  curve = curve or gamma_curve(563 / 256)
  columns = {name: xyz(*matrix[:, at]) for at, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
  return profile({**columns, **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)})


def table_profile():
  """Corners of the RGB cube as colours of Lab, and linear between them."""
  corners = np.array(
    [[light, a, b] for light in (30, 200) for a in (90, 160) for b in (100, 170)], np.uint8
  )
  ramp = bytes(range(256))
  identity = struct.pack(">9i", *(65536 * v for v in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
  lut = (
    b"mft1" + bytes(4) + bytes((3, 3, 2, 0)) + identity + 3 * ramp + corners.tobytes() + 3 * ramp
  )
  return profile({b"A2B0": lut}, kind=b"scnr", connection=b"Lab ")
