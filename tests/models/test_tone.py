"""Curves keep black and white, and neutral greys neutral."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.models import tone
from llve_jax.models.frame_code import bordered

RAMP = np.linspace(0, 1, 12, dtype=np.float32)


@pytest.mark.parametrize("gain", [0.1, 1.0, 30.0])
def test_a_bent_ramp_rises_from_black_to_white(gain: float) -> None:
  ramp = jnp.asarray(RAMP)
  out = np.asarray(tone.bend(ramp, ramp, jnp.full(12, gain)))
  assert out[0] == 0
  assert out[-1] == pytest.approx(1)
  assert (np.diff(out) > 0).all()
  assert (np.sign(out - RAMP)[1:-1] == np.sign(gain - 1)).all() or gain == 1


def wild(seed: int) -> tone.Curve:
  """A curve from weights far from where they begin."""
  code = jax.random.normal(jax.random.key(seed), (2, 8))
  variables = tone.Develop().init(jax.random.key(1), code)
  variables = jax.tree.map(lambda leaf: 200 * leaf, variables)
  return tone.Develop().apply(variables, code)[0].replace(gain=jnp.full((2, 1, 1, 1), 3.0))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_whatever_is_learnt_black_stays_black_and_white_white(seed: int) -> None:
  curve = wild(seed)
  ends = jnp.asarray(RAMP[[0, -1]])[None, None, :, None] * jnp.ones((2, 3, 2, 12))
  balanced = curve.balanced(ends)
  out = np.asarray(curve.mix(tone.bend(balanced, tone.value(balanced), curve.gain)))
  np.testing.assert_allclose(out[:, :, 0], 0.0, atol=1e-5)
  np.testing.assert_allclose(out[:, :, 1], 1.0, atol=1e-4)


def test_the_matrix_leaves_greys_and_serves_every_pixel_of_a_block() -> None:
  curve = wild(3)
  blocks = np.random.default_rng(0).random((2, 4, 5, 12), dtype=np.float32)
  pixels = blocks.reshape(2, 4, 5, 4, 3)
  expected = np.einsum("nhwpi,nij->nhwpj", pixels, np.asarray(curve.mixture))
  np.testing.assert_allclose(
    curve.mix(jnp.asarray(blocks)), expected.reshape(blocks.shape), atol=1e-5
  )
  np.testing.assert_allclose(np.asarray(curve.mixture).sum(axis=1), 1.0, atol=1e-5)


def test_power_is_the_formula() -> None:
  curve = dataclasses.replace(
    wild(0), exponent=jnp.asarray([[0.5, 1.0, 2.0]]), balance=jnp.ones((1, 3))
  )
  blocks = jnp.asarray(RAMP)[None, :, None, None] * jnp.ones((1, 1, 1, 12))
  found = np.asarray(curve.power(blocks))
  np.testing.assert_allclose(curve.balanced(blocks), found, atol=1e-6)
  for color, p in enumerate((0.5, 1.0, 2.0)):
    e = 0.02
    expected = ((RAMP + e) ** p - e**p) / ((1 + e) ** p - e**p)
    np.testing.assert_allclose(found[0, :, 0, color], expected, atol=1e-5)


@pytest.mark.parametrize("code", [(11, 8, 12), (40, 40, 40), (200, 40, 30), (60, 66, 60)])
def test_a_colour_near_grey_becomes_greyer_and_others_stay(code: tuple[int, int, int]) -> None:
  color = np.asarray(code, np.float64) / 255
  blocks = np.tile(color, (1, 5, 6, 4)).astype(np.float32)
  apart = color - color.mean()
  squared = (apart**2).sum()
  expected = color.mean() + apart * squared / (squared + (4 / 255) ** 2)
  found = np.asarray(tone.cored(jnp.asarray(blocks)))[0, 2, 3]
  np.testing.assert_allclose(found, np.tile(expected, 4), atol=1e-6)
  if max(code) == 200:
    np.testing.assert_allclose(found, np.tile(color, 4), atol=1e-3)


def test_noise_does_not_make_a_grey_place_colourful() -> None:
  noise = np.random.default_rng(0).normal(0.2, 0.03, (1, 16, 16, 12)).astype(np.float32)
  cored = np.asarray(tone.cored(jnp.asarray(noise))).reshape(-1, 3)
  pixels = noise.reshape(-1, 3)
  np.testing.assert_allclose(cored.mean(axis=-1), pixels.mean(axis=-1), atol=1e-6)
  assert np.std(cored - cored.mean(-1, keepdims=True)) < 0.5 * np.std(
    pixels - pixels.mean(-1, keepdims=True)
  )


def test_a_pixel_keeps_the_ratio_of_its_colours() -> None:
  red = np.tile(np.asarray([0.5, 0.1, 0.05], np.float32), 4)[None, None, None]
  value = tone.value(jnp.asarray(red))
  np.testing.assert_array_equal(value, 0.5)
  out = np.asarray(tone.bend(jnp.asarray(red), value, jnp.full((1, 1, 1, 1), 3.0)))
  np.testing.assert_allclose(out / red, 1.5, rtol=1e-6)
  np.testing.assert_allclose(out.max(), 0.75, rtol=1e-6)


def pictures() -> np.ndarray:
  """One shade; noise; a quarter black, the rest lit; dark with a lamp. Halved, 8 x 8 blocks."""
  even = np.full((8, 8, 12), 0.05)
  noise = np.random.default_rng(0).gamma(1.0, 0.03, (8, 8, 12))
  half = np.zeros((8, 8, 12))
  half[:6] = 0.3
  lamp = np.full((8, 8, 12), 0.02)
  lamp[3, 3] = 1.0
  return np.stack([even, noise, half, lamp]).clip(0, 1).astype(np.float32)


def exposed(wanted: float, share: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
  """log g for each of `pictures`, and the mean that a picture has with it."""
  curve = dataclasses.replace(
    wild(0), exponent=jnp.full((4, 3), 0.8), balance=jnp.asarray([[0.9, 1.2, 1.0]] * 4)
  )
  logit = np.log(wanted / (1 - wanted))
  exposure = tone.Exposure(jnp.full((4, 1), logit), jnp.full((4, 1), share))
  log = tone.log_gain(curve, exposure, jnp.asarray(pictures()))
  balanced = curve.balanced(jnp.asarray(pictures()))
  bent = tone.bend(balanced, tone.value(balanced), jnp.exp(log)[:, None, None])
  return np.asarray(log), np.asarray(bent).mean(axis=(1, 2, 3))


@pytest.mark.parametrize("wanted", [0.3, 0.44])
def test_the_gain_takes_a_picture_to_the_mean_that_is_wanted(wanted: float) -> None:
  np.testing.assert_allclose(exposed(wanted)[1], wanted, atol=2e-3)


def test_of_what_is_wanted_a_share_is_given_and_no_gain_is_beyond_bounds() -> None:
  whole, _ = exposed(0.4)
  np.testing.assert_allclose(exposed(0.4, share=0.25)[0], 0.25 * whole, rtol=1e-6)
  np.testing.assert_array_equal(exposed(0.4, share=0.0)[0], 0.0)
  np.testing.assert_allclose(exposed(0.9999)[0], 4.75)
  np.testing.assert_allclose(exposed(1e-4)[0], -1.25)


def test_the_slope_of_the_gain_is_that_of_the_solution() -> None:
  curve = dataclasses.replace(
    wild(0), exponent=jnp.full((4, 3), 0.8), balance=jnp.asarray([[0.9, 1.2, 1.0]] * 4)
  )
  blocks, share = jnp.asarray(pictures()), jnp.ones((4, 1))

  def total(wanted: float, exponent: float) -> jax.Array:
    bent = dataclasses.replace(curve, exponent=jnp.full((4, 3), exponent))
    return tone.log_gain(bent, tone.Exposure(jnp.full((4, 1), wanted), share), blocks).sum()

  for index, at in ((0, -0.5), (1, 0.8)):
    given = [-0.5, 0.8]
    found = float(jax.grad(total, argnums=index)(*given))
    up, down = ([*given[:index], at + step, *given[index + 1 :]] for step in (0.02, -0.02))
    assert found == pytest.approx(float(total(*up) - total(*down)) / 0.04, rel=0.03)


def test_what_is_flat_and_black_is_found_and_noise_is_not() -> None:
  rng = np.random.default_rng(0)
  bar = np.tile(np.asarray([0, 0, 2], np.float32), 4) / 255
  blocks = np.broadcast_to(bar, (1, 24, 8, 12)).copy()
  blocks[:, 8:16] = rng.integers(0, 3, (1, 8, 8, 12)) / 255  # noise in the dark, its mean is 1
  blocks[:, 16:] = 4 / 255
  fade = np.asarray(tone.empty_fade(jnp.asarray(blocks)))[0, :, 4, 0]
  np.testing.assert_array_equal(fade[2:6], 0.0)
  assert (fade[9:15] > 0.4).all()
  np.testing.assert_array_equal(fade[18:22], 1.0)


def test_bars_are_seen_at_opposite_edges_and_a_dark_edge_is_no_bar() -> None:
  picture = np.full((6, 64, 64, 3), 0.1, np.float32)
  picture[0, :3] = np.asarray([0, 0, 2]) / 255  # bars above and below, as films have them
  picture[0, -3:] = np.asarray([0, 0, 2]) / 255
  picture[1, :, :2] = picture[1, :, -2:] = 0.0
  picture[2, :1] = picture[2, -1:] = 0.0
  picture[2, -1, 20:24] = 0.5  # something is written there
  picture[3, :, 0] = picture[3, :, -1] = 6 / 255
  picture[4, :3] = 0.0  # a ceiling
  np.testing.assert_array_equal(
    bordered(jnp.asarray(picture))[:, 0], [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
  )


@pytest.mark.parametrize(("code", "fade"), [(1.0, 0.0), (1.75, 0.5), (2.2, 0.8), (2.6, 1.0)])
def test_an_even_picture_is_empty_up_to_code_1_and_not_from_2_5(code: float, fade: float) -> None:
  blocks = np.full((1, 3, 3, 12), code / 255, np.float32)
  assert tone.empty_fade(jnp.asarray(blocks))[0, 1, 1, 0] == pytest.approx(fade, abs=1e-4)
