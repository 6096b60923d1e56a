"""The clips of tests/io, for the tool that is made of its parts."""

import runpy
from pathlib import Path

_SHARED = runpy.run_path(str(Path(__file__).parents[1] / "io" / "conftest.py"))

make_clip = _SHARED["make_clip"]
audio_packets = _SHARED["audio_packets"]
odd_frames = _SHARED["odd_frames"]
