"""EnlightenGAN's step: terms and updates in numpy on networks of a few numbers, and sharding."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from llve_jax.errors import UserError
from llve_jax.losses.self_feature import vgg16_self_feature, vgg16_self_feature_released
from llve_jax.train.state import Learner, State, Step
from llve_jax.train.steps import unpaired_gan
from tests.train.steps.tiny import distance, first_state

pytestmark = pytest.mark.usefixtures("standard_promotion")

SHAPE = (8, 1, 24, 20, 3)
SIZE = 16  # of a patch: the smallest whose maps have more than one pixel
CORNERS = np.array([[0, 3], [8, 1]])
BATCH = {
  "low": 0.2 * jax.random.uniform(jax.random.key(1), SHAPE),
  "high": jax.random.uniform(jax.random.key(2), SHAPE),
}
ADVERSARIAL = {"global": 1.0, "local": 1.0}


class Gain(nn.Module):
  """A generator of one number."""

  @nn.compact
  def __call__(self, clip: jax.Array, *, train: bool = False) -> dict[str, jax.Array]:
    return {"clip": clip * self.param("gain", nn.initializers.constant(1.5), ())}


class Dot(nn.Module):
  """A critic of four numbers: a score for every pixel."""

  @nn.compact
  def __call__(self, images: jax.Array, *, train: bool = False) -> jax.Array:
    return nn.Dense(1, name="dense")(images)


DOTS = {"global": Dot(), "local": Dot()}


@pytest.fixture
def corners(monkeypatch: pytest.MonkeyPatch) -> None:
  """Patches at places the test knows."""

  def known(key: Any, height: int, width: int, count: int, size: int) -> jax.Array:
    assert (height, width, count, size) == (24, 20, 2, SIZE)
    return jnp.asarray(CORNERS)

  monkeypatch.setattr(unpaired_gan, "draw_corners", known)


def both(optimizer: optax.GradientTransformation) -> dict[str, optax.GradientTransformation]:
  """The same for both critics."""
  return {"global": optimizer, "local": optimizer}


def make(frozen: Any = (), **kwargs: Any) -> tuple[Step, State]:
  """A step of the few numbers, following gradients as they are, and its first state."""
  sgd = optax.sgd(1.0)
  kwargs = {"patches": 2, "patch_size": SIZE, "darken_probability": 0.0} | kwargs
  step = unpaired_gan.make_step(Gain(), kwargs.pop("critics", DOTS), sgd, both(sgd), **kwargs)
  state = first_state(
    Learner(Gain(), sgd, SHAPE),
    critics={name: Learner(critic, sgd, SHAPE[1:]) for name, critic in DOTS.items()},
    frozen=frozen,
  )
  return jax.jit(step), state


def params_of(critic: Any) -> tuple[np.ndarray, float]:
  dense = critic.params["dense"]
  return np.asarray(dense["kernel"], np.float64)[:, 0], float(dense["bias"][0])


def cut(clip: Any) -> np.ndarray:
  clip = np.asarray(clip, np.float64)
  return np.concatenate([clip[:, 0, r : r + SIZE, c : c + SIZE] for r, c in CORNERS])


def relativistic(high: np.ndarray, low: np.ndarray) -> float:
  above = np.square(high - low.mean() - 1).mean()
  return 0.5 * (above + np.square(low - high.mean()).mean())


def global_costs(kernel: np.ndarray, bias: float, gain: float) -> tuple[float, float]:
  """The critic's and the generator's, of the scores of whole images."""
  real, fake = (
    np.asarray(clip, np.float64) @ kernel + bias
    for clip in (BATCH["high"], gain * np.asarray(BATCH["low"], np.float64))
  )
  return relativistic(real, fake), relativistic(fake, real)


def local_costs(kernel: np.ndarray, bias: float, gain: float) -> tuple[float, float]:
  """The same of patches at `CORNERS`."""
  real, fake = (cut(BATCH["high"]) @ kernel + bias, gain * cut(BATCH["low"]) @ kernel + bias)
  critic = 0.5 * (np.square(real - 1).mean() + np.square(fake).mean())
  return critic, np.square(fake - 1).mean()


COSTS = {"global": global_costs, "local": local_costs}


@pytest.mark.usefixtures("corners")
@pytest.mark.parametrize("variant", ["paper", "released"])
def test_every_term_is_what_the_paper_says(narrow: Any, variant: str) -> None:
  weights = {"global": 1.0, "local": 2.0, "self_feature": 3.0, "self_feature_local": 4.0}
  step, state = make(narrow, weights=weights, self_feature=variant)
  _, scalars = step(state, BATCH)
  for name, costs in COSTS.items():
    critic, generator = costs(*params_of(state.critics[name]), 1.5)
    np.testing.assert_allclose(scalars[f"critic/{name}"], critic, rtol=1e-5)
    np.testing.assert_allclose(scalars[f"loss/{name}"], generator, rtol=1e-5)

  loss = vgg16_self_feature if variant == "paper" else vgg16_self_feature_released
  compare = jax.jit(lambda dark: loss(1.5 * dark, dark, frozen=narrow).mean())
  patches = jnp.asarray(cut(BATCH["low"])[:, None], jnp.float32)
  np.testing.assert_allclose(scalars["loss/self_feature"], compare(BATCH["low"]), rtol=1e-4)
  np.testing.assert_allclose(scalars["loss/self_feature_local"], compare(patches), rtol=1e-4)
  assert all(scalars[f"loss/{name}"] > 0 for name in weights)
  total = sum(weight * scalars[f"loss/{name}"] for name, weight in weights.items())
  np.testing.assert_allclose(scalars["loss"], total, rtol=1e-5)
  assert scalars.keys() == {
    *("loss", "critic/global", "critic/local", "gradient_norm"),
    *(f"loss/{name}" for name in weights),
  }


@pytest.mark.usefixtures("corners")
def test_all_three_descend_from_where_the_step_began() -> None:
  """Against slopes by differences: the generator meets the old critics, they its old images."""
  step, state = make(weights=ADVERSARIAL)
  new, scalars = step(dataclasses.replace(state, rate=jnp.float32(0.25)), BATCH)
  tiny = 1e-4
  slope = 0.0
  for name, costs in COSTS.items():
    kernel, bias = params_of(state.critics[name])
    ahead, behind = (costs(kernel, bias, 1.5 + sign * tiny)[1] for sign in (1, -1))
    slope += (ahead - behind) / (2 * tiny)
    found_kernel, found_bias = params_of(new.critics[name])
    for index in range(3):
      shift = tiny * np.eye(3)[index]
      ahead, behind = (costs(kernel + sign * shift, bias, 1.5)[0] for sign in (1, -1))
      expected = kernel[index] - 0.25 * (ahead - behind) / (2 * tiny)
      np.testing.assert_allclose(found_kernel[index], expected, atol=1e-5)
    ahead, behind = (costs(kernel, bias + sign * tiny, 1.5)[0] for sign in (1, -1))
    np.testing.assert_allclose(found_bias, bias - 0.25 * (ahead - behind) / (2 * tiny), atol=1e-5)
    assert not np.array_equal(found_kernel, kernel)
  np.testing.assert_allclose(scalars["gradient_norm"], abs(slope), rtol=1e-4)
  np.testing.assert_allclose(new.generator.params["gain"], 1.5 - 0.25 * slope, atol=1e-5)
  gain = float(new.generator.params["gain"])
  np.testing.assert_allclose(new.average["params"]["gain"], 0.999 * 1.5 + 0.001 * gain, rtol=1e-6)
  assert int(new.step) == 1


def test_what_critics_learn_does_not_move_the_generator_of_this_step() -> None:
  sgd = optax.sgd(1.0)
  _, state = make(weights=ADVERSARIAL)
  results = []
  for rate in (0.0, 1.0):
    step = unpaired_gan.make_step(
      Gain(), DOTS, sgd, both(optax.sgd(rate)), patch_size=SIZE, weights=ADVERSARIAL
    )
    results.append(jax.jit(step)(state, BATCH)[0])
  still, learnt = results
  assert distance(still.critics, state.critics) == 0
  for name in DOTS:
    assert distance(learnt.critics[name], state.critics[name]) > 0
  assert distance(still.generator, state.generator) > 0
  assert distance(learnt.generator, still.generator) == 0


def test_the_dark_image_itself_stays_the_reference(narrow: Any) -> None:
  """Halved, and compared with itself before that; a generator that doubles brings it back."""
  weights = {"self_feature": 1.0, "self_feature_local": 1.0}
  kwargs: dict[str, Any] = {"critics": {}, "weights": weights, "darken": (2.0, 2.0)}
  step, state = make(narrow, darken_probability=1.0, **kwargs)
  gains = {}
  for gain in (1.0, 2.0):
    generator = dataclasses.replace(state.generator, params={"gain": jnp.float32(gain)})
    new, gains[gain] = step(dataclasses.replace(state, generator=generator), BATCH)
  assert distance(new.critics, state.critics) == 0
  assert gains[2.0]["loss/self_feature"] < 1e-9 > gains[2.0]["loss/self_feature_local"]
  half = jax.jit(lambda dark: vgg16_self_feature(0.5 * dark, dark, frozen=narrow).mean())
  np.testing.assert_allclose(gains[1.0]["loss/self_feature"], half(BATCH["low"]), rtol=1e-4)
  assert not any(name.startswith("critic/") for name in gains[1.0])


def test_about_half_the_images_are_divided_by_two_to_four() -> None:
  clip = jax.random.uniform(jax.random.key(3), (400, 1, 2, 2, 3), minval=0.1)
  divided = jax.jit(unpaired_gan.darkened)(clip, jax.random.key(4))
  ratio = np.asarray(clip / divided).reshape(400, -1)
  assert np.ptp(ratio, axis=1).max() < 1e-5  # one number an image
  ratio = ratio[:, 0]
  touched = ratio[ratio != 1]
  assert 160 < touched.size < 240
  assert 2 <= touched.min() + 1e-5 < 2.1
  assert 3.9 < touched.max() < 4 + 1e-5
  np.testing.assert_array_equal(unpaired_gan.darkened(clip, jax.random.key(4), (2, 4), 0.0), clip)


def test_every_step_draws_other_patches_and_other_darkness() -> None:
  """The whole images, not darkened, give the same loss at every step; patches do not."""
  step, state = make(weights=ADVERSARIAL)
  dark_step, _ = make(weights=ADVERSARIAL, darken_probability=0.5)
  scalars, darkened = [], []
  for number in (0, 1, 2):
    at = dataclasses.replace(state, step=jnp.int32(number))
    scalars.append(step(at, BATCH)[1])
    darkened.append(dark_step(at, BATCH)[1])
  assert len({float(each["loss/global"]) for each in scalars}) == 1
  assert len({float(each["loss/local"]) for each in scalars}) == 3
  assert len({float(each["loss/global"]) for each in darkened}) == 3


def test_frozen_is_the_network_the_terms_look_through() -> None:
  frozen = unpaired_gan.frozen()
  assert list(frozen) == ["vgg16"]
  assert list(frozen["vgg16"])[-1] == "conv5_1"
  clip = BATCH["low"][:1, :, :16, :16]
  default = vgg16_self_feature(0.5 * clip, clip)
  np.testing.assert_array_equal(vgg16_self_feature(0.5 * clip, clip, frozen=frozen), default)


@pytest.mark.parametrize(
  ("changed", "message"),
  [
    ({"critics": {"global": Dot()}}, "lacks the critic local; found global"),
    ({"critics": {}}, "lacks the critic global and local; found none"),
    ({"critics": {**DOTS, "other": Dot()}}, "no critic other; known: global, local"),
    ({"weights": {"l1": 1.0}}, "no term l1; known: global, local, self_feature"),
    ({"self_feature": "mean"}, "self_feature is 'mean'; expected paper or released"),
    ({"patches": 0}, "0 patches of 16 pixels"),
    ({"darken": (4.0, 2.0)}, r"darken is \(4.0, 2.0\)"),
    ({"darken": (0.5, 2.0)}, r"darken is \(0.5, 2.0\)"),
    ({"darken_probability": 1.5}, "darken_probability is 1.5; expected 0 to 1"),
  ],
)
def test_bad_options_are_refused(changed: dict[str, Any], message: str) -> None:
  with pytest.raises(UserError, match=message):
    make(**changed)


@pytest.mark.parametrize(
  ("batch", "message"),
  [
    ({name: clip[:, :, :, :15] for name, clip in BATCH.items()}, "24 x 15 pixels hold no patch"),
    ({"low": BATCH["low"]}, r"bright images \(high\).*found none"),
    ({**BATCH, "high": BATCH["high"][:, :, :18]}, r"found those of \(8, 1, 18, 20, 3\)"),
  ],
)
def test_batches_that_do_not_fit_are_refused(batch: Any, message: str) -> None:
  step, state = make(weights=ADVERSARIAL)
  with pytest.raises(UserError, match=message):
    jax.eval_shape(step, state, batch)


def test_each_critic_follows_its_own_optimiser() -> None:
  sgd, still = optax.sgd(0.1), optax.sgd(0.0)
  optimizers = {"global": still, "local": sgd}
  step = unpaired_gan.make_step(Gain(), DOTS, sgd, optimizers, patch_size=SIZE, weights=ADVERSARIAL)
  state = first_state(
    Learner(Gain(), sgd, SHAPE),
    critics={name: Learner(critic, sgd, SHAPE[1:]) for name, critic in DOTS.items()},
  )
  new, _ = jax.jit(step)(state, BATCH)
  assert distance(new.critics["global"].params, state.critics["global"].params) == 0
  assert distance(new.critics["local"].params, state.critics["local"].params) > 0
