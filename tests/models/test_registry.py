import pytest

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.models.turntable_critic import TurntableCritic
from llve_jax.models.turntable_unet import TurntableUNet


def test_build_passes_attributes():
  assert models.build("turntable_unet", widths=(4,)) == TurntableUNet(widths=(4,))
  assert models.build_critic("turntable_critic", norm="none") == TurntableCritic(norm="none")


def test_an_unknown_name_lists_the_known():
  with pytest.raises(UserError, match=r"no network is called 'unet'; known: .*turntable_unet"):
    models.build("unet")
  with pytest.raises(UserError, match=r"no critic is called 'patch'; known: .*turntable_critic"):
    models.build_critic("patch")


def test_an_unknown_attribute_lists_the_known():
  with pytest.raises(UserError, match=r"takes no depth, with; known: .*bilinear.*widths") as caught:
    models.build("turntable_unet", depth=3, **{"with": 1})
  assert "parent" not in str(caught.value)
