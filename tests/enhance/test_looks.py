"""What is found in a film, and how strongly it is brightened."""

import os
from pathlib import Path

import numpy as np
import pytest

from llve_jax.enhance import command, looks
from llve_jax.io.video import read_frames, read_info
from llve_jax.methods.classic import Classic
from llve_jax.metrics.probe import Found


def moments(level: int, count: int = 3) -> list[list[np.ndarray]]:
  frame = np.full((16, 16, 3), level, np.uint8)
  frame[:8] += 4
  return [[frame, frame] for _ in range(count)]


@pytest.mark.parametrize(
  ("level", "look", "asked", "strength"),
  [
    (20, "natural", None, 1.0),
    (65, "natural", None, 1.0),
    (85, "natural", None, 0.5),
    (160, "natural", None, 0.1),
    (160, "natural", 0.7, 0.7),
    (160, "bright", None, 1.0),
    (160, "forensic", None, 1.0),
  ],
)
def test_strength(level: int, look: looks.Look, asked: float | None, strength: float) -> None:
  assert looks.fitting_strength(level) == pytest.approx(strength) or asked or look != "natural"
  choice = looks.choose(moments(level), look, asked)
  assert choice.strength == pytest.approx(strength, abs=0.06)
  assert f"look {look}: strength {choice.strength:.2f}" in str(choice)


@pytest.mark.parametrize(
  ("found", "words"),
  [
    (Found(30, 1, 1, 0.01), []),
    (Found(1, 0, 1, 0), ["too dark to trust"]),
    (Found(9, 5, 1, 0), ["too dark to trust"]),
    (Found(30, 1, 1, 0.2), ["clipped highlights: 20 %"]),
    (Found(1, 1, 1, 0.2), ["too dark", "clipped highlights"]),
  ],
)
def test_what_cannot_be_helped_is_said(found: Found, words: list[str]) -> None:
  warnings = looks.Chosen(found, "natural", 1.0).warnings
  assert len(warnings) == len(words)
  assert all(word in line for word, line in zip(words, warnings, strict=True))


def test_a_line_says_what_was_found() -> None:
  line = str(looks.Chosen(Found(23.4, 3.14, 1.5, 0.006), "natural", 1.0))
  assert line == (
    "found: brightness 23 of 255 (median), noise 3.1, blocks of a codec, 0.6 % burnt; look "
    "natural: strength 1.00"
  )


def test_light_is_added_until_it_is_bright() -> None:
  method = looks.lifted(Classic("input"), moments(60), "bright")
  assert np.median(method(np.stack(moments(60)[0]))) == pytest.approx(255 * 0.45, abs=5)
  assert "with local contrast" in looks.lifted(method, moments(60), "forensic").about(16, 16)
  method = looks.lifted(Classic("input"), moments(0), "bright")
  assert "lifted 8 times" in method.about(16, 16)  # black is not blown up without bound
  natural = Classic("input")
  assert looks.lifted(natural, moments(60), "natural") is natural


@pytest.mark.parametrize("level", [0, 255])
def test_a_film_of_one_level_stays_black_or_white(level: int) -> None:
  frames = np.full((2, 16, 16, 3), level, np.uint8)
  method = looks.lifted(Classic("input"), [list(frames)], "bright")
  np.testing.assert_array_equal(method(frames), frames)


def test_the_last_frame_of_a_moment_is_what_is_brightened() -> None:
  (_, last), (first, _) = moments(60)[0], moments(10)[0]
  method = looks.lifted(Classic("input"), [[first, last]], "bright")
  assert np.median(method(last[None])) == pytest.approx(255 * 0.45, abs=5)


def test_a_bright_film_is_hardly_touched_and_a_classic_method_does_all(
  make_clip, odd_frames, tmp_path, capsys
):
  clip = make_clip(tmp_path / "bright.mp4", odd_frames + 70, audio=None)
  assert all(len(pair) == 2 for pair in looks.moments_of(read_info(clip)))
  changes = []
  for index, given in enumerate(({}, {"look": "natural"})):
    target = tmp_path / f"{index}.mp4"
    command.run(clip, target, model="gamma", **given)
    pairs = zip(read_frames(clip), read_frames(target), strict=True)
    changes.append(np.mean([b.image.mean() - a.image.mean() for a, b in pairs]))
  assert changes[1] == pytest.approx(0.1 * changes[0], abs=1)
  assert capsys.readouterr().err.count("found: brightness 1") == 1


@pytest.mark.skipif("LLVE_TEST_DATA" not in os.environ, reason="LLVE_TEST_DATA is not set")
def test_real_films() -> None:
  data = Path(os.environ["LLVE_TEST_DATA"])
  for name, least, most in (
    ("night_clips/highway_b.mp4", 1.0, 1.0),
    ("night_clips/room_352x288.avi", 1.0, 1.0),
    ("bright/clips/people.mp4", 0.1, 0.2),
  ):
    choice = looks.choose(looks.moments_of(read_info(data / name)), "natural", None)
    assert least <= choice.strength <= most, name
