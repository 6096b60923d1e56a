"""Sound, subtitles, chapters, languages and attachments: kept, made anew, or named as lost."""

from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.video import containers, make_plan, read_info
from llve_jax.io.video.text import plain
from llve_jax.io.video.tracks import _Copied, _moved


def tracks(path):
  with av.open(str(path)) as container:
    return [
      (s.type, s.codec_context.codec.canonical_name)
      for s in container.streams
      if s.codec_context is not None
    ]


@pytest.mark.parametrize(
  ("sound", "source", "target", "expected"),
  [
    ("pcm_s16le", "in.avi", "out.mp4", "aac"),
    ("pcm_s16le", "in.avi", "out.mkv", "pcm_s16le"),
    ("wmav2", "in.wmv", "out.mp4", "aac"),
    ("wmav2", "in.wmv", "out.mkv", "aac"),
    ("libopencore_amrnb", "in.3gp", "out.mp4", "aac"),
    ("libopencore_amrnb", "in.3gp", "out.webm", "opus"),
    ("aac", "in.mp4", "out.webm", "opus"),
    ("aac", "in.mp4", "out.mov", "aac"),
    ("libopus", "in.mkv", "out.webm", "opus"),
    ("libopus", "in.mkv", "out.avi", "pcm_s16le"),
    ("libmp3lame", "in.mp4", "out.avi", "mp3"),
  ],
)
def test_sound_is_copied_or_encoded_and_in_step(
  frames, encode, copied, onset, times, tmp_path, sound, source, target, expected
):
  codec = {"in.wmv": "wmv2", "in.3gp": "mpeg4"}.get(source, "libx264")
  path = encode(tmp_path / source, frames, codec, sound=sound, options={})

  def first(path):
    return times(path)[0] - (0.04 if path.suffix == ".avi" else 0.0)  # FFmpeg: H.264 a frame late

  before = onset(path) - first(path)
  plan, _ = copied(path, tmp_path / target)
  assert ("audio", expected) in tracks(tmp_path / target)
  after = onset(tmp_path / target) - first(tmp_path / target)
  assert after == pytest.approx(before, abs=0.02)
  said = [word for word in plan.words if "encoded as" in word]
  assert len(said) == (plan.tracks[0].codec is not None)


def test_a_track_of_an_unknown_codec_is_named_and_left_out(frames, encode, copied, tmp_path):
  one = encode(tmp_path / "one.mov", frames, sound="aac")
  with av.open(str(one)) as source, av.open(str(tmp_path / "two.mov"), "w") as out:
    streams = [out.add_stream_from_template(s, opaque=True) for s in source.streams]
    streams.append(out.add_stream_from_template(source.streams[1], opaque=True))
    for packet in source.demux():
      if packet.size:
        data, index = bytes(packet), packet.stream.index
        packet.stream = streams[index]
        out.mux(packet)
        if index == 1:
          again = av.Packet(data)
          again.pts = again.dts = packet.pts
          again.duration, again.time_base = packet.duration, packet.time_base
          again.stream = streams[2]
          out.mux(again)
  data = (tmp_path / "two.mov").read_bytes()
  place = data.rindex(b"stsd") + 16
  assert data[place : place + 4] == b"mp4a"
  data = data[:place] + b"spat" + data[place + 4 :].replace(b"esds", b"free")
  (tmp_path / "two.mov").write_bytes(data)
  plan, _ = copied(tmp_path / "two.mov", tmp_path / "out.mov")
  assert tracks(tmp_path / "out.mov") == [("video", "h264"), ("audio", "aac")]
  assert [w for w in plan.words if "track 2 (of a codec that is not known" in w]


HEADER = b"[Script Info]\n[V4+ Styles]\nFormat: Name\nStyle: Default\n[Events]\nFormat: Text\n"


@pytest.fixture(scope="module")
def rich(frames, encode, tmp_path_factory):
  """Two languages, a title, chapters, subtitles, a font."""
  folder = tmp_path_factory.mktemp("rich")
  one = encode(folder / "one.mkv", frames, sound="aac")
  with av.open(str(one)) as source, av.open(str(folder / "rich.mkv"), "w") as out:
    out.metadata.update({"title": "My night walk", "creation_time": "2024-05-01T21:00:00.000000Z"})
    base = Fraction(1, 1000)
    out.set_chapters(
      [
        {"id": 1, "start": 0, "end": 240, "time_base": base, "metadata": {"title": "One"}},
        {"id": 2, "start": 240, "end": 480, "time_base": base, "metadata": {"title": "Two"}},
      ]
    )
    streams = [out.add_stream_from_template(s, opaque=True) for s in source.streams]
    streams.append(out.add_stream_from_template(source.streams[1], opaque=True))
    streams[1].metadata["language"], streams[1].disposition = "eng", 1
    streams[2].metadata.update({"language": "deu", "title": "Kommentar"})
    text = out.add_stream("subrip")
    text.codec_context.subtitle_header = HEADER
    text.codec_context.time_base = base
    out.add_attachment("font.ttf", "application/x-truetype-font", b"font" * 20)
    for packet in source.demux():
      if packet.size:
        data, index, pts = bytes(packet), packet.stream.index, packet.pts
        packet.stream = streams[index]
        out.mux(packet)
        if index == 1:
          again = av.Packet(data)
          again.pts = again.dts = pts
          again.time_base, again.stream = Fraction(1, 1000), streams[2]
          out.mux(again)
    said = av.Packet(b"<i>Good</i> night")
    said.pts = said.dts = 200
    said.duration, said.time_base, said.stream = 150, base, text
    out.mux(said)
  return folder / "rich.mkv"


@pytest.mark.parametrize(
  ("target", "written", "lost"),
  [
    ("out.mkv", "subrip", []),
    ("out.mp4", "mov_text", ["font.ttf"]),
    ("out.webm", "webvtt", ["font.ttf", "Opus", "Opus"]),
    ("out.avi", None, ["subtitles", "font.ttf", "eng, deu", "2 chapters"]),
  ],
)
def test_everything_is_kept_where_it_can_be(rich, copied, tmp_path, target, written, lost):
  plan, _ = copied(rich, tmp_path / target)
  words = [word for word in plan.words if "not tagged" not in word]
  assert len(words) == len(lost)
  for part in lost:
    assert any(part in word for word in words)
  with av.open(str(tmp_path / target)) as out:
    assert out.metadata["title"] == "My night walk"
    sound = out.streams.audio
    assert len(sound) == 2
    if written is None:
      return
    assert [s.metadata.get("language") for s in sound] == ["eng", "deu"]
    names = {key.lower(): value for key, value in sound[1].metadata.items()}
    assert "Kommentar" in (names.get("title"), names.get("handler_name"))
    assert [bool(s.disposition & 1) for s in sound] == [True, False]
    assert [chapter["metadata"]["title"] for chapter in out.chapters()] == ["One", "Two"]
    assert [float(c["start"] * c["time_base"]) for c in out.chapters()] == [0, 0.24]
    (text,) = out.streams.subtitles
    said = [p for p in out.demux(text) if p.size > 2]
    assert plain(bytes(said[0]), written) == "Good night"
    assert float(said[0].pts * said[0].time_base) == pytest.approx(0.2, abs=0.03)
    fonts = [s for s in out.streams if s.type == "attachment"]
    assert [f.data for f in fonts] == ([b"font" * 20] if target == "out.mkv" else [])
    created = {key.lower(): value for key, value in out.metadata.items()}.get("creation_time", "")
    assert created.startswith("2024-05-01T21:00:00")


@pytest.mark.parametrize(
  ("container", "cut", "warm_up"),
  [("mp4", [-20], [-40, -20]), ("matroska", [], [-40, -20]), ("avi", [], [])],
)
def test_what_is_written_of_sound_before_the_start(container, cut, warm_up):
  """Behind a cut one packet serves a decoder, where the file can say that it is not heard."""
  for before, expected in (((-400, -200, -20), cut), ((-40, -20), warm_up)):
    copied = _Copied(SimpleNamespace(type="audio"), container)
    packets = [
      SimpleNamespace(
        pts=at, dts=at, duration=20, time_base=Fraction(1, 1000), is_discard=at < 0, stream=None
      )
      for at in (*before, 0)
    ]
    *earlier, given = [copied.packets(each) for each in packets]
    assert earlier == [[] for _ in before]
    assert [each.dts for each in given] == [*expected, 0]


def test_chapters_begin_with_the_film():
  base = Fraction(1, 1000)
  chapters = [
    {"id": 7, "start": 0, "end": 2000, "time_base": base, "metadata": {"title": "One"}},
    {"id": 9, "start": 2000, "end": 3000, "time_base": base, "metadata": {}},
  ]
  found = _moved(chapters, Fraction(3, 2))
  assert [(each["id"], each["start"], each["end"]) for each in found] == [
    (1, 0, 500),
    (2, 500, 1500),
  ]
  assert found[0]["metadata"] == {"title": "One"}


def test_what_is_said_of_the_old_file_is_not_said_of_the_new():
  """Matroska writes its own names in capitals, MP4 in small letters."""
  film = {"TITLE": "Night walk", "creation_time": "2024-05-01T21:00:00Z", "Artist": "A"}
  file = {"ENCODER": "Lavf61", "encoder": "x", "DURATION": "00:01", "Major_Brand": "isom"}
  assert containers.kept_metadata(film | file) == film


@pytest.mark.parametrize("sound", ["drop", "encode"])
def test_sound_as_wished(frames, encode, copied, tmp_path, sound):
  path = encode(tmp_path / "in.mp4", frames, sound="aac")
  plan, _ = copied(path, tmp_path / "out.mp4", sound=sound)
  assert [each.codec for each in plan.tracks] == ([] if sound == "drop" else ["aac"])
  assert len(tracks(tmp_path / "out.mp4")) == 2 - (sound == "drop")


def test_sound_of_another_kind_of_wish(frames, encode, tmp_path):
  path = encode(tmp_path / "in.mp4", frames)
  with pytest.raises(UserError, match="--sound=loud: expected one of copy, encode, drop"):
    make_plan(read_info(path), tmp_path / "out.mp4", sound="loud")


@pytest.mark.parametrize(
  ("data", "codec", "expected"),
  [
    (b"\0\x05Hallo\0\0\0\x0cstyl", "mov_text", "Hallo"),
    (b"<b>a</b> < b", "subrip", "a < b"),
    (b"1,0,Default,,0,0,0,,{\\i1}one, two\\Nthree", "ass", "one, two\nthree"),
    ("Gute Nächte".encode(), "webvtt", "Gute Nächte"),
  ],
)
def test_words_of_subtitles(data, codec, expected):
  assert plain(data, codec) == expected


def test_a_hole_in_sound_is_silence(frames, encode, remux, copied, onset, tmp_path):
  """Encoded anew, sound that pauses stays in step behind the pause."""
  path = encode(tmp_path / "in.mkv", np.tile(frames, (2, 1, 1, 1)), sound="aac")

  def hole(packet):
    inside = 0.1 < packet.pts * packet.time_base < 0.3
    return None if packet.stream.type == "audio" and inside else packet

  remux(path, tmp_path / "hole.mkv", hole)
  copied(tmp_path / "hole.mkv", tmp_path / "out.mp4", sound="encode")
  assert onset(tmp_path / "out.mp4") == pytest.approx(onset(path), abs=0.02)
