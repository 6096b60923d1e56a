"""Features and their memory: what is fetched from where, and how the two are blended."""

import jax
import jax.numpy as jnp
import numpy as np

from llve_jax.models.alignment import Align, Fuse


def test_alignment_finds_what_moved():
  """Features that are sharp and unlike each other are fetched from where they went."""
  rng = np.random.default_rng(0)
  past = rng.normal(size=(1, 9, 10, 16)).astype(np.float32) * 30
  now = np.roll(past, (1, -2), (1, 2))
  module = Align(reach=2, keys=16)
  eye = {"query": {"kernel": jnp.eye(16)}, "key": {"kernel": jnp.eye(16)}}
  fetched = jax.jit(module.apply)({"params": eye}, now, past)
  inner = (slice(None), slice(3, -3), slice(3, -3))
  np.testing.assert_allclose(fetched[inner], now[inner], atol=1e-3)


def test_the_gate_sees_the_frame_the_past_and_how_they_differ():
  """Nothing is looked for around a place, so that the past is fetched as it is."""
  rng = np.random.default_rng(4)
  past, now = rng.normal(size=(2, 1, 2, 3, 4)).astype(np.float32)
  kernel = rng.normal(size=(12, 4)).astype(np.float32)
  any_of_them = {"kernel": np.ones((4, 1), np.float32)}
  gate = {"kernel": kernel, "bias": np.full(4, 0.3, np.float32)}
  params = {"align": {"query": any_of_them, "key": any_of_them}, "gate": gate}
  memory, blend = jax.jit(Fuse(reach=0).apply)({"params": params}, past, now)
  seen = np.concatenate([now, past, np.abs(now - past)], axis=-1)
  trust = 1 / (1 + np.exp(-(seen @ kernel + 0.3)))
  np.testing.assert_allclose(blend, now + trust * (past - now), rtol=1e-4, atol=1e-5)
  np.testing.assert_array_equal(memory, blend)


def test_neighbours_beyond_the_border_are_never_fetched():
  module = Align(reach=1, keys=2)
  past = np.ones((1, 2, 2, 4), np.float32)
  variables = jax.jit(module.init)(jax.random.key(0), past, past)
  np.testing.assert_allclose(jax.jit(module.apply)(variables, past, past), past, rtol=1e-6)
