"""The weighted sum: its terms, its frozen networks, and how it refuses nonsense."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.vgg19 import VGG19_VARIABLE
from llve_jax.losses import LOSSES, compose
from llve_jax.losses.vgg import VggLoss


@pytest.fixture
def clips():
  rng = np.random.default_rng(0)
  return [jnp.asarray(rng.uniform(size=(2, 2, 24, 24, 3)), jnp.float32) for _ in range(2)]


def test_total_is_the_weighted_sum_of_unweighted_terms(clips):
  objective = compose({"l1": 2.0, "tv": 0.5, "vgg16": 0.25})
  total, terms = objective(*clips)
  assert set(terms) == {"l1", "tv", "vgg16"}
  for name, term in terms.items():
    np.testing.assert_allclose(term, LOSSES[name](*clips), rtol=1e-6)
  np.testing.assert_allclose(
    total, 2.0 * terms["l1"] + 0.5 * terms["tv"] + 0.25 * terms["vgg16"], rtol=1e-6
  )


def test_weight_zero_drops_the_term(clips):
  objective = compose({"l1": 1, "vgg16": 0.0})
  assert objective.frozen == {}
  assert set(objective(*clips)[1]) == {"l1"}


def test_no_term_is_a_total_of_zero(clips):
  total, terms = compose({})(*clips)
  np.testing.assert_array_equal(total, [0.0, 0.0])
  assert terms == {}


def test_unknown_name_lists_the_known():
  with pytest.raises(UserError) as caught:
    compose({"l3": 1.0})
  for name in ("l3", *LOSSES):
    assert name in str(caught.value)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), "1", None, True, [1.0]])
def test_weights_must_be_finite_numbers(weight):
  with pytest.raises(UserError, match=r"'l1'.*finite number"):
    compose({"l1": weight})


def test_numpy_weights_are_numbers(clips):
  total, terms = compose({"l1": np.float32(2.0)})(*clips)
  np.testing.assert_allclose(total, 2.0 * terms["l1"], rtol=1e-6)


def test_wrong_shape_names_both(clips):
  with pytest.raises(ValueError, match=r"\(2, 2, 24, 24, 3\).*\(2, 1, 24, 24, 3\)"):
    compose({"l1": 1.0})(clips[0], clips[1][:, :1])


def test_frozen_holds_no_more_layers_than_needed():
  assert list(compose({"cobi_vgg16": 1.0}).frozen["vgg16"])[-1] == "conv3_2"
  assert list(compose({"cobi_vgg16": 1.0, "vgg16": 1.0}).frozen["vgg16"])[-1] == "conv4_3"


def test_frozen_weights_are_arguments_not_constants(clips):
  objective = compose({"vgg16": 1.0})
  traced = jax.make_jaxpr(lambda p, t, f: objective(p, t, f)[0])(*clips, objective.frozen)
  assert sum(np.size(constant) for constant in traced.consts) < 1000
  doubled = jax.tree.map(lambda w: 2 * w, objective.frozen)
  call = jax.jit(objective)
  assert np.all(call(*clips, doubled)[0] > 2.0 * call(*clips, objective.frozen)[0])


def test_the_network_runs_once_for_all_terms_that_need_it(clips):
  objective = compose({"vgg16": 1.0, "cobi_vgg16": 1.0})
  traced = jax.make_jaxpr(objective)(*clips, objective.frozen)
  assert str(traced).count("conv_general_dilated[") == 2 * 10  # conv1_1 ... conv4_3, two clips


def test_one_pass_for_each_way_a_network_is_run(clips, narrow):
  names = (
    *("vgg19_smoid", "vgg19_mbllen", "vgg19_deblurgan"),  # maximum: conv1_1 ... conv4_2
    *("vgg19_smid", "cobi_vgg19"),  # mean: conv1_1 ... conv4_2
    *("vgg19_mbllen_released", "cobi_rgb", "l1"),  # swapped: conv1_1 ... conv3_4; none; none
  )
  objective = compose(dict.fromkeys(names, 1.0), vgg19=narrow["vgg19"])
  traced = jax.make_jaxpr(objective)(*clips, objective.frozen)
  assert str(traced).count("conv_general_dilated[") == 2 * (10 + 10 + 8)
  assert set(objective.frozen) == {"vgg19"}
  _, terms = jax.jit(objective)(*clips, objective.frozen)
  for name in names:
    loss = LOSSES[name]
    options = {"frozen": narrow} if isinstance(loss, VggLoss) else {}
    expected = jax.jit(loss)(*clips, **options)
    np.testing.assert_allclose(terms[name], expected, rtol=1e-4, err_msg=name)


def test_half_precision_predictions_are_compared_in_float32(clips):
  pred = clips[0].astype(jnp.bfloat16)
  total, _ = compose({"l2": 1.0})(pred, clips[1])
  assert total.dtype == jnp.float32
  np.testing.assert_allclose(total, LOSSES["l2"](pred.astype(jnp.float32), clips[1]), rtol=1e-6)


def test_key_moves_the_sampling_and_nothing_else():
  # 64 x 64 is more than 63 x 63 positions, so conv1_2 is sampled.
  rng = np.random.default_rng(0)
  clips = [jnp.asarray(rng.uniform(size=(1, 1, 64, 64, 3)), jnp.float32) for _ in range(2)]
  objective = compose({"l1": 1.0, "cobi_vgg16": 1.0})
  call = jax.jit(lambda p, t, f, key=None: objective(p, t, f, key=key)[1])
  one, two = (call(*clips, objective.frozen, jax.random.key(seed)) for seed in (0, 1))
  np.testing.assert_array_equal(one["l1"], two["l1"])
  assert one["cobi_vgg16"] != two["cobi_vgg16"]
  lattice = call(*clips, objective.frozen)["cobi_vgg16"]
  np.testing.assert_allclose(one["cobi_vgg16"], lattice, rtol=0.1)


def test_vgg19_comes_from_a_file_or_the_environment(clips, keras_blocks, monkeypatch):
  given = compose({"vgg19_mbllen": 1.0}, vgg19=keras_blocks).frozen["vgg19"]
  assert list(given)[-2:] == ["conv3_4", "input"]
  monkeypatch.setenv(VGG19_VARIABLE, str(keras_blocks))
  assert compose({"vgg19_mbllen": 1.0}).frozen["vgg19"]["conv3_4"] is given["conv3_4"]


def test_no_vgg19_says_which_loss_and_where_to_get_it(monkeypatch):
  monkeypatch.delenv(VGG19_VARIABLE, raising=False)
  with pytest.raises(UserError) as caught:
    compose({"l1": 1.0, "vgg19_smid": 1.0})
  for part in ("'vgg19_smid'", VGG19_VARIABLE, "https://", "fallback=True"):
    assert part in str(caught.value)


def test_a_layer_the_file_lacks_is_named(keras_blocks):
  with pytest.raises(UserError, match=r"'vgg19_smid'.*conv4_1.*up to conv3_4"):
    compose({"vgg19_mbllen": 1.0, "vgg19_smid": 1.0}, vgg19=keras_blocks)


def test_vgg16_stands_in_only_when_told_to(clips, monkeypatch):
  monkeypatch.delenv(VGG19_VARIABLE, raising=False)
  objective = compose({"l1": 1.0, "vgg19_mbllen": 1.0, "cobi_rgb": 1.0}, fallback=True)
  assert set(objective.frozen) == {"vgg16"}
  assert list(objective.frozen["vgg16"])[-1] == "conv3_3"  # for conv3_4
  terms = jax.jit(objective)(*clips, objective.frozen)[1]
  assert np.all(terms["vgg19_mbllen"] > 0)
  np.testing.assert_allclose(terms["l1"], LOSSES["l1"](*clips), rtol=1e-6)


def test_fallback_is_not_taken_where_there_are_weights(narrow):
  objective = compose({"vgg19_mbllen": 1.0}, vgg19=narrow["vgg19"], fallback=True)
  assert set(objective.frozen) == {"vgg19"}


def test_a_mask_of_another_shape_is_named(clips):
  with pytest.raises(ValueError, match=r"mask \(2, 2, 24, 24, 3\).*\(2, 2, 24, 24, 1\)"):
    compose({"l1": 1.0})(*clips, mask=jnp.ones_like(clips[0]))
