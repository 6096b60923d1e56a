"""Each configuration's `published` and `released` form, number by number, as its source has it.

One literal, made of the reports, papers and programs that README.md names, and of nothing in this
repository. What a source leaves open is not in it; the configurations' docstrings say what is ours.
"""

import importlib
from typing import Any

import jax
import pytest

from experiments.run.assemble import Run
from llve_jax.train.state import parameter_count

# Adam as PyTorch, TensorFlow and their papers have it, unless a source says otherwise.
ADAM = {"optimizer.beta1": 0.9, "optimizer.beta2": 0.999}
GAN_ADAM = {"optimizer.beta1": 0.5, "optimizer.beta2": 0.999}
NO_DECAY = {"optimizer.weight_decay": 0.0, "optimizer.clip_norm": 0.0}
# No source averages weights.
RAW_WEIGHTS = {"train.average_decay": 0.0}

# 50 epochs of 818 crops; the rate halves after 10, 20 and 25 of 30 epochs, then after 10 of 20.
A = {
  "model.name": "turntable_unet",
  "model.kwargs.resnext": True,
  "model.kwargs.bilinear": True,
  "data.name": "turntable_pairs",
  "data.config": "released",  # crops, not scenes, are split
  "data.crop": 512,
  "data.frames": 1,
  "data.augment": "turntable",  # flips, turns, colours exchanged, noise of spread 2/255
  "optimizer.rate": 2e-4,
  "optimizer.schedule": {"name": "drops", "at": (10 / 50, 20 / 50, 25 / 50, 40 / 50)},
  "train.steps": 50 * (818 // 4),
  "step.name": "paired_gan",
  "step.options.kind": "wgan_gp",
  "step.options.adversarial_weight": 1e-4,
  "critics.critic.rate": 2e-4,
  "critics.critic.beta1": 0.9,
  "critics.critic.beta2": 0.999,
  "critics.critic.kwargs.norm": "batch",
  "phases.gan": {"until": 30 / 50, "loss": {"l1": 1.0, "vgg16": 1.0, "tv": 0.1}},
  "phases.finetune": {
    "until": 1.0,
    "loss": {"l1": 1.0, "vgg16": 1.0, "tv": 0.1, "cobi_vgg19": 1.0},
  },
  **ADAM,
  **RAW_WEIGHTS,
}

# Batch 2 of resized frames, AdamW 1e-4, stop after 3 validations without gain, ImageNet's weights.
B = {
  "data.name": "smid",
  "data.batch": 2,
  "data.crop": 448,
  "data.crop_width": 672,
  "data.resize": (448, 672),
  "data.augment": "none",
  "model.encoder_weights": "resnet18-f37072fd.pth",
  "eval.protocol": "frame5",
  "optimizer.rate": 1e-4,
  "optimizer.schedule": {"name": "constant"},
  "train.stop_after": 3,
  **ADAM,
  **RAW_WEIGHTS,
}
# Its published code.
B_RELEASED = B | {
  "model.name": "conv_lstm",
  "model.kwargs.form": "released",
  "model.kwargs.freeze_encoder": True,
  "data.frames": 3,
  "data.crop": 918,
  "data.crop_width": 1374,
  "data.resize": (),
  "seed": 87,
  "phases.all.loss": {"half_l2": 1.0},
  "train.stop_after": 0,
  "train.halve_after": 1,
}

# 16 frames of 128 x 128 packed pixels, 5,750 windows an epoch, a tenth of the rate after 30.
C = {
  "model.name": "unet3d",
  "model.kwargs.depth": 3,
  "model.kwargs.base": 32,
  "seed": 236,
  "data.name": "smoid",
  "data.config": "he2he",
  "data.batch": 1,
  "data.frames": 16,
  "data.crop": 128,
  "data.augment": "turn",
  "data.blind": True,
  "optimizer.rate": 1e-4,
  "optimizer.schedule": {"name": "drops", "at": (30 / 60,), "factor": 0.1},
  "train.steps": 60 * 5750,
  "phases.all.loss": {"l1": 1.0},
  **ADAM,
  **NO_DECAY,
  **RAW_WEIGHTS,
}
C_MULTI1 = {"structure": 1.0, "region_adaptive": 1.0, "vgg19_smoid": 0.01}
C_EPOCHS50 = {
  "train.steps": 50 * 5750,
  "optimizer.schedule": {"name": "drops", "at": (30 / 50,), "factor": 0.1},
}

E = {
  "model.name": "attention_unet",
  "data.name": "unpaired_images",
  "data.batch": 32,
  "data.crop": 320,
  "optimizer.rate": 1e-4,
  "optimizer.schedule": {"name": "linear_end", "start": 100 / 200},
  "train.steps": 200 * 1016 // 32,
  "step.name": "unpaired_gan",
  "step.options.patch_size": 32,
  "critics.global.kwargs.layers": 5,
  "critics.local.kwargs.layers": 4,
  "critics.global.rate": 1e-4,
  "critics.local.rate": 1e-4,
  "critics.global.beta1": 0.5,
  "critics.local.beta1": 0.5,
  **GAN_ADAM,
  **NO_DECAY,
  **RAW_WEIGHTS,
}
E_RELEASED = E | {
  "step.options.patches": 6,
  "step.options.self_feature": "released",
  "data.fixed_partner": True,
  "model.kwargs.align_corners": False,
  "model.kwargs.centred_padding": True,
  "model.kwargs.half_resolution": "released",
  "model.kwargs.half_above": 2200,
}

SID = {
  "model.name": "sid_unet",
  "data.name": "sid",
  "data.batch": 1,
  "data.crop": 512,
  "data.augment": "flip",
  "data.keep_negatives": False,
  "data.blind": True,
  "eval.protocol": "sid_sony",
  "optimizer.rate": 1e-4,
  "optimizer.schedule": {"name": "drops", "at": (2000 / 4000,), "factor": 0.1},
  "train.steps": 4000 * 161,
  "phases.all.loss": {"l1": 1.0},
  **ADAM,
  **NO_DECAY,
  **RAW_WEIGHTS,
}

ZERO_DCE = {
  "model.name": "zero_dce",
  "data.batch": 8,
  "data.resize": (512, 512),
  "data.crop": 512,
  "optimizer.rate": 1e-4,
  "optimizer.weight_decay": 1e-4,
  "optimizer.coupled_decay": True,
  "optimizer.clip_norm": 0.1,
  "train.steps": 200 * 2002 // 8,
  "phases.all.loss": {"zero_dce": 1.0},
  **ADAM,
  **RAW_WEIGHTS,
}

DEBLURGAN = {
  "model.name": "deblur_gan",
  "data.batch": 1,
  "data.resize": (360, 640),
  "data.crop": 256,
  "data.augment": "mirror",
  "optimizer.rate": 1e-4,
  "optimizer.schedule": {"name": "linear_end", "start": 150 / 300},
  "train.steps": 300 * 818,
  "step.options.kind": "wgan_gp",
  "step.options.critic_updates": 5,
  "critics.critic.rate": 1e-4,
  "critics.critic.beta1": 0.5,
  "critics.critic.kwargs.layers": 3,
  "critics.critic.kwargs.norm": "instance",
  "phases.all.loss": {"vgg19_deblurgan_released": 100.0},
  **GAN_ADAM,
  **NO_DECAY,
  **RAW_WEIGHTS,
}

MBLLEN = {
  "model.name": "mbllen",
  "data.batch": 16,
  "data.crop": 256,
  "data.augment": "flip",
  "optimizer.rate": 1e-3,
  "optimizer.schedule": {"name": "exponential", "epochs": 200, "factor": 0.99},
  "train.steps": 200 * 200,
  "train.halve_after": 2,
  **ADAM,
  **NO_DECAY,
  **RAW_WEIGHTS,
}

PUBLISHED: dict[str, dict[str, Any]] = {
  "turntable_gan:published": A,
  "turntable_gan:published,wgan": A | {"step.options.kind": "wgan"},
  "turntable_gan:published,no_critic,no_finetune": {
    "step.name": "supervised",
    "train.steps": 30 * (818 // 4),
    "optimizer.schedule": {"name": "drops", "at": (10 / 30, 20 / 30, 25 / 30)},
  },
  "clstm:published": B
  | {
    "model.name": "conv_lstm",
    "model.kwargs.form": "report",
    "phases.all.loss": {"l2": 1.0},
  },
  "clstm:released": B_RELEASED,
  "conv3d_mff:published": B | {"model.name": "cnn3d", "phases.all.loss": {"l1": 1.0}},
  "unet3d:published": C,
  "unet3d:released": C
  | {
    "train.steps": 61 * 5750,
    "optimizer.schedule": {"name": "drops", "at": (31 / 61,), "factor": 0.1},
  },
  "unet3d:published,residual": C | {"model.kwargs.variant": "residual"},
  "unet3d:published,depth2": C | {"model.kwargs.depth": 2},
  "unet3d:published,depth4": C | {"model.kwargs.depth": 4},
  "unet3d:published,base16": C | {"model.kwargs.base": 16},
  "unet3d:published,histogram": C | {"model.kwargs.histogram": True},
  "unet3d:published,dense": C | {"train.steps": 60 * 92 * 125},
  "unet3d:published,longer": C
  | {
    "train.steps": 100 * 5750,
    "optimizer.schedule": {"name": "drops", "at": (30 / 100,), "factor": 0.1},
  },
  "unet3d:published,batch10": C
  | {
    "data.batch": 10,
    "train.steps": 30 * 5750 // 10,
    "optimizer.schedule": {"name": "constant"},
  },
  "unet3d:published,structure,epochs50": C | C_EPOCHS50 | {"phases.all.loss": {"structure": 1.0}},
  "unet3d:published,region,epochs50": C
  | C_EPOCHS50
  | {"phases.all.loss": {"region_adaptive": 1.0}},
  "unet3d:published,vgg,epochs50": C | C_EPOCHS50 | {"phases.all.loss": {"vgg19_smoid": 1.0}},
  "unet3d:published,multi1,epochs50": C | C_EPOCHS50 | {"phases.all.loss": C_MULTI1},
  "unet3d:published,multi2,epochs50": C
  | C_EPOCHS50
  | {"phases.all.loss": {"l1": 1.0, "structure": 1.0, "region_adaptive": 1.0}},
  "unet3d:published,gan": C
  | {
    "step.name": "paired_gan",
    "step.options.kind": "bce",
    "step.options.adversarial_weight": 1.0,
    "step.options.critic_updates": 1,
    "critics.critic.rate": 1e-4,
    "critics.critic.beta1": 0.9,
    "critics.critic.beta2": 0.999,
    "critics.critic.kwargs": {"released": True, "side": 256},
  },
  "unpool_gan:published": {
    "model.name": "unpool_unet",
    "data.name": "sid",
    "data.config": "srgb_darkest",  # patches of 100 pixels at a stride of 50
    "data.crop": 100,
    "step.options.kind": "bce",
    "phases.all.loss": {"l1": 1.0},
    **RAW_WEIGHTS,
  },
  "enlighten_gan:published": E | {"step.options.patches": 5},
  "enlighten_gan:released": E_RELEASED,
  "enlighten_gan:released,rate1e5": E_RELEASED
  | {"optimizer.rate": 1e-5, "critics.global.rate": 1e-5, "critics.local.rate": 1e-5},
  "enlighten_gan:released,batch8": E_RELEASED
  | {"data.batch": 8, "train.steps": 200 * 1016 // 32 * 32 // 8},
  "enlighten_gan:released,epochs300": E_RELEASED | {"train.steps": 300 * 1016 // 32},
  "sid:published": SID
  | {"data.config": "sony_scenes", "test_data.name": "sid", "test_data.config": "sony"},
  "sid:released": SID | {"data.config": "sony"},
  "sid:published,fuji": SID
  | {
    "data.config": "fuji_scenes",
    "test_data.config": "fuji",
    "eval.protocol": "plain",
    "train.steps": 4000 * 135,
    "model.kwargs.input_kind": "xtrans",
  },
  "sid:smoid": {
    "data.name": "smoid",
    "data.config": "he2he",
    "data.crop": 128,
    "optimizer.schedule": {"name": "drops", "at": (30 / 60,), "factor": 0.1},
    "train.steps": 60 * 5750,
  },
  "smid:published": {
    "model.name": "smid_resunet",
    "data.name": "smid",
    "data.config": "static",
    "data.batch": 1,
    "data.frames": 2,
    "data.crop": 918,
    "data.crop_width": 1374,
    "eval.protocol": "frame5",
    "step.name": "siamese",
    "step.options.weight": 0.05,
    "optimizer.rate": 1e-4,
    "optimizer.schedule": {"name": "drops", "at": (500 / 1000,), "factor": 0.1},
    "train.steps": 1000 * 129,
    "phases.all.loss": {"vgg19_smid": 1.0},
    **ADAM,
    **NO_DECAY,
    **RAW_WEIGHTS,
  },
  "mbllen:published": MBLLEN,
  "mbllen:released": MBLLEN
  | {
    "phases.all.loss": {
      "l1": 1.0,
      "vgg19_mbllen_released": 1 / 3,
      "ssim": 3.0,
      "region_mbllen_released": 1.0,
    }
  },
  "mbllven:published": {
    "model.name": "mbllven",
    "data.name": "smoid",
    "data.batch": 1,
    "data.frames": 16,
    "data.crop": 224 // 2,
    "data.blind": True,
    "optimizer.rate": 1e-4,
    "optimizer.schedule": {"name": "exponential", "epochs": 60, "factor": 0.99},
    "train.steps": 60 * 125 * 23,  # every eighth start frame
    "phases.all.loss": {"structure": 1.0, "vgg19_mbllven": 1e-6, "region_input": 1.0},
    **ADAM,
    **NO_DECAY,
    **RAW_WEIGHTS,
  },
  "deblurgan:published": DEBLURGAN,
  "deblurgan:released": DEBLURGAN
  | {
    "step.options.kind": "bce",
    "step.options.critic_updates": 1,
    "model.kwargs.one_conv_blocks": True,
    "model.kwargs.drop_always": True,
  },
  "kpn:published": {
    "model.name": "kpn",
    "model.kwargs.form": "pytorch",
    "model.kwargs.render": True,
    "data.bursts": True,
    "phases.all.loss": {"l2": 1.0, "edge": 1.0, "kpn_burst": 1.0},
    "data.batch": 16,
    "data.frames": 8,
    "data.crop": 128,
    "optimizer.rate": 2e-4,
    "optimizer.schedule": {"name": "constant"},
    "train.steps": 500_000,
    **ADAM,
    **NO_DECAY,
    **RAW_WEIGHTS,
  },
  "kpn:published,google": {
    "model.kwargs.form": "google",
    "model.kwargs.widths": (64, 128, 256),
    "data.batch": 4,
    "optimizer.rate": 1e-4,
    **RAW_WEIGHTS,
  },
  "zero_dce:published": ZERO_DCE,
  "zero_dce:released": ZERO_DCE | {"phases.all.loss": {"zero_dce_released": 1.0}},
}

# Published counts of parameters: of the network, and of its critics.
PARAMETERS = {
  "turntable_gan:published": (4_397_059, {"critic": 1_570_081}),
  "unet3d:published": (5_430_412, {}),
  "unet3d:published,depth2": (1_317_260, {}),
  "unet3d:published,depth4": (21_881_484, {}),
  "unet3d:published,base16": (1_358_924, {}),
  "unet3d:published,residual": (5_517_100, {}),
  "unet3d:published,bottleneck": (35_515_788, {}),
  "unet3d:published,gan": (5_430_412, {"critic": 68_285_217}),
  "unpool_gan:published": (1_920_195, {"critic": 5_139_649}),
  "enlighten_gan:published": (8_636_675, {"global": 11_154_369, "local": 6_959_553}),
  "sid:published": (7_760_268, {}),
  "sid:published,fuji": (7_762_203, {}),
  "smid:published": (85_653_155, {}),
  "mbllen:published": (450_171, {}),
  "mbllven:published": (681_682, {}),
  "deblurgan:published": (11_378_179, {"critic": 2_764_737}),
  "deblurgan:released": (6_067_459, {"critic": 2_764_737}),
  "kpn:published": (36_217_632, {}),
  "kpn:published,google": (3_335_256, {}),
  "zero_dce:published": (79_416, {}),
}


def configured(name: str) -> Any:
  system, _, variants = name.partition(":")
  return importlib.import_module(f"experiments.configs.{system}").get_config(variants)


def value_at(config: Any, key: str) -> Any:
  for part in key.split("."):
    config = config[part]
  return config.to_dict() if hasattr(config, "to_dict") else config


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_number_is_the_source_s(name: str) -> None:
  config = configured(name)
  found = {key: value_at(config, key) for key in PUBLISHED[name]}
  assert found == {key: nearly(value) for key, value in PUBLISHED[name].items()}


def nearly(value: Any) -> Any:
  """Fractions of a run are quotients, which round."""
  if isinstance(value, dict):
    return {key: nearly(each) for key, each in value.items()}
  return pytest.approx(value) if isinstance(value, float | tuple) else value


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_network_has_the_published_size(name: str) -> None:
  config = configured(name)
  config.vgg19.fallback = True  # its weights do not ship, and move no parameter
  state = jax.eval_shape(Run(config).init)
  critics = {critic: parameter_count(each.params) for critic, each in state.critics.items()}
  assert (parameter_count(state.generator.params), critics) == PARAMETERS[name]


def test_every_system_with_a_source_has_the_form_and_says_what_is_ours() -> None:
  """Also what differs from it: the average of weights, which none of them has."""
  for system in {name.partition(":")[0] for name in PUBLISHED}:
    module = importlib.import_module(f"experiments.configs.{system}")
    assert "published" in module.VARIANTS
    text = " ".join(module.__doc__.split())
    assert "Ours, and otherwise in `published`" in text
    assert "moving average (none)" in text
    if configured(system).train.average_decay:
      assert configured(f"{system}:published").train.average_decay == 0.0
