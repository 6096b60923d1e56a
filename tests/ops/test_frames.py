import numpy as np

from llve_jax.ops.frames import clips_of, frames_of


def test_every_level_survives_the_round_trip() -> None:
  frames = np.arange(256, dtype=np.uint8).reshape(2, 8, 16, 1)
  clips = clips_of(frames)
  assert clips.shape == (2, 1, 8, 16, 1)
  np.testing.assert_allclose(clips[:, 0], frames / 255, rtol=1e-6)
  np.testing.assert_array_equal(frames_of(clips), frames)


def test_values_outside_the_range_are_clipped_and_others_rounded() -> None:
  values = np.array([-1.0, 0.0019, 0.0021, 0.9979, 0.9981, 7.0], np.float32)
  found = frames_of(values.reshape(1, 1, 1, 6, 1))
  np.testing.assert_array_equal(np.ravel(found), [0, 0, 1, 254, 255, 255])
