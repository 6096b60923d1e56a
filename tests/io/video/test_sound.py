"""Sound that is encoded anew, whatever form its frames have."""

from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from llve_jax.io.video.sound import EncodedSound, _layout


def tone(form: str, layout: str, rate: int, samples: int, start: float) -> av.AudioFrame:
  frame = av.AudioFrame(form, layout, samples)
  frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
  frame.pts = round(start * rate)
  for plane in frame.planes:
    np.frombuffer(memoryview(plane), np.uint8)[:] = 0
  return frame


def test_sound_may_change_its_form_and_have_holes(make_clip, odd_frames, monkeypatch, tmp_path):
  silence = EncodedSound._silence

  def short(sound, samples):
    assert samples < 10 * 48000, "days of silence"
    return silence(sound, samples)

  monkeypatch.setattr(EncodedSound, "_silence", short)
  path = make_clip(tmp_path / "in.mp4", odd_frames)
  with av.open(str(path)) as source, av.open(str(tmp_path / "out.mkv"), "w") as out:
    sound = EncodedSound(out, source.streams.audio[0], "aac")
    out.start_encoding()
    frames = [
      tone("fltp", "mono", 48000, 4800, 0.0),
      tone("s16", "stereo", 44100, 4410, 0.1),
      tone("s16", "stereo", 44100, 4410, 0.5),  # behind a hole
      tone("fltp", "mono", 48000, 4800, 0.6),
      tone("fltp", "mono", 48000, 4800, 2.2),  # one of more than a second
      tone("fltp", "mono", 48000, 4800, 1e6),  # a damaged stamp
    ]
    for frame in frames:
      out.mux(sound._encoded([frame]))
    out.mux(sound.finish())
  with av.open(str(tmp_path / "out.mkv")) as made:
    ends = [frame.time + frame.samples / frame.sample_rate for frame in made.decode(audio=0)]
  assert abs(ends[-1] - 2.4) < 0.05


@pytest.mark.parametrize(
  ("layout", "written"),
  [
    ("mono", "mono"),
    ("5.1", "5.1"),
    ("7.1", "7.1"),
    ("hexadecagonal", "stereo"),  # sixteen, more than encoders take
    ("1 channels", "mono"),
    ("2 channels", "stereo"),
    ("3 channels", "stereo"),
  ],
)
def test_channels_are_kept_up_to_eight_that_have_names(layout, written):
  count = int(layout.split()[0]) if "channels" in layout else av.AudioLayout(layout).nb_channels
  assert _layout(SimpleNamespace(name=layout, nb_channels=count)) == written
