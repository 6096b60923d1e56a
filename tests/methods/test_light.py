"""Networks for raw light on sRGB frames."""

import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.methods.light import Undeveloped
from llve_jax.models.contract import CHANNELS, Traits
from llve_jax.ops.color import linear_to_srgb
from tests.methods.networks import noise, of_function, of_model


def traits(kind: str, scale: int) -> Traits:
  return Traits(stride=1, receptive_field=1, input_kind=kind, scale=scale)


def dark(count: int, height: int, width: int) -> np.ndarray:
  frames = noise(count, height, width) // 8
  frames[:, 0] = 40  # one row in ten is lit, so that the gain is known
  return frames


@pytest.mark.parametrize("size", [(12, 18), (11, 17)])
def test_light_is_linear_and_brightened_as_auto_gain_does(size) -> None:
  frames = dark(2, *size)
  method = Undeveloped(of_function(linear_to_srgb, traits("raw_rgb", 1))[0])
  assert (method.name, method.takes) == ("function", "srgb")
  out = method(frames)
  assert out.shape == frames.shape
  # The brightest percent of luma is the lit row, which goes to 0.9 of linear light.
  expected = 255 * (1.055 * 0.9 ** (1 / 2.4) - 0.055)
  assert np.abs(out[:, 0] - expected).max() <= 1


@pytest.mark.parametrize(("kind", "block"), [("bayer", 2), ("xtrans", 3), ("mosaic", 1)])
def test_mosaics_hold_the_colours_of_the_frames(kind: str, block: int) -> None:
  """A grey picture's mosaic is the picture, whatever the filters."""
  grey = np.repeat(dark(1, 13, 16)[..., :1], 3, axis=-1)
  shapes = []

  def back(clip):
    shapes.append(clip.shape)
    mean = linear_to_srgb(clip.mean(axis=-1, keepdims=True))
    large = jnp.repeat(jnp.repeat(mean, block, axis=2), block, axis=3)
    return jnp.broadcast_to(large, (*large.shape[:-1], 3))

  method = Undeveloped(of_function(back, traits(kind, block))[0])
  out = method(grey)
  assert shapes[0][-1] == CHANNELS[kind]
  assert out.shape == grey.shape
  flat = Undeveloped(of_function(back, traits(kind, block))[0])(np.full_like(grey, 40))
  assert np.abs(flat.astype(int) - 243).max() <= 1


def test_every_network_of_the_library_runs_on_an_ordinary_clip() -> None:
  """Narrow ones; what they make of it is as large as the clip."""
  narrow = {
    "unet3d": {"depth": 1, "base": 4},
    "cnn3d": {"width": 4, "blocks": (1, 1), "widths": (4,)},
    "conv_lstm": {"width": 4, "blocks": (1, 1)},
    "mbllven": {"features": 4, "branches": 1, "encoder": (2, 3), "decoder": (3,)},
    "sid_unet": {"widths": (4, 8)},
    "smid_resunet": {"widths": (4, 6, 8), "blocks": 1},
  }
  assert {name for name in models.MODELS if models.build(name).traits.input_kind != "srgb"} == set(
    narrow
  )
  frames = dark(5, 34, 38)
  for name, fields in narrow.items():
    method = Undeveloped(of_model(name, fields)[0])
    out = method(frames)
    assert out.shape == frames.shape, name
    assert "raw light" in method.about(34, 38)


def test_a_network_that_makes_smaller_frames_is_refused() -> None:
  method = Undeveloped(of_function(lambda clip: clip[..., :3], traits("bayer", 1))[0])
  with pytest.raises(UserError, match="makes 8x6 pixels of a 16x12 frame"):
    method(dark(1, 12, 16))


def test_a_method_for_srgb_needs_none_of_this() -> None:
  with pytest.raises(ValueError, match="no raw light"):
    Undeveloped(of_function(lambda clip: clip)[0])
