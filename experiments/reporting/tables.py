"""The published tables as data: which configuration trains each row, and what its authors report.

Sources: A: the turntable GAN, a final-year report of HKUST. B: CLSTM and 3-D CNN, a report of NTU.
C: the 3-D U-Net, a report of USC and its code. D: slides of the max-unpooling GAN. E: IllumiGAN, a
report on EnlightenGAN for video. Others are named by authors and year. Figures come from the
authors' own data, most of which was never published; only the order of rows can be compared.
"""

import dataclasses
from collections.abc import Mapping

from llve_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Row:
  """One configuration of a table.

  Attributes:
    label: what the row is called on a page.
    config: NAME[:VARIANT,...], NAME a file of `experiments/configs` without suffix.
    published: metric name -> the authors' figure; empty where there is none.
    note: what a reader of the figure must know.
    sizes: of a sweep at which it can be trained; the small ones are on embedded data.
  """

  label: str
  config: str
  published: Mapping[str, float] = dataclasses.field(default_factory=dict)
  note: str = ""
  sizes: tuple[str, ...] = ("full", "cpu", "smoke")


@dataclasses.dataclass(frozen=True)
class Table:
  """A published table.

  Attributes:
    title: of the table.
    source: who published it, where in it.
    data: what the published figures were measured on.
    protocol: how they were.
    rows: name, as in folders and flags, to row.
    metrics: our metrics that are shown, in this order.
    ranked: pairs (our metric, published metric) by which the order of rows is compared; none
      where rows were published on different data.
    note: what a reader of the table must know.
  """

  title: str
  source: str
  data: str
  protocol: str
  rows: Mapping[str, Row]
  metrics: tuple[str, ...] = ("psnr", "ssim")
  ranked: tuple[tuple[str, str], ...] = (("psnr", "psnr"), ("ssim", "ssim"))
  note: str = ""


_TEMPORAL = ("psnr", "ssim", "flicker", "warp_err", "mse_mabd")
_A = "turntable pairs of its authors, never published; split by crop, so scenes leak into the test"
_A_PROTOCOL = "PSNR over MAX/sqrt(MSE), MAX not given; SSIM with a window whose size is not given"
_C = "SMOID, 12-bit raw video through a beam splitter"
_C_PROTOCOL = (
  "8-bit frames, mean over 200 frames; SSIM as TensorFlow's. The MSE(MABD) of its code takes "
  "differences along columns, not time, so it is no flicker and stands beside ours uncompared"
)
_B = "DRV, static raw videos with one long exposure as target"
_B_PROTOCOL = "fifth frame against the long exposure; TPSNR between neighbouring output frames"

TABLES: dict[str, Table] = {
  "turntable_ablation": Table(
    title="Form of the generator",
    source="A, generator ablation: no critic, 30 epochs, test set",
    data=_A,
    protocol=_A_PROTOCOL,
    rows={
      "plain": Row(
        "plain U-Net",
        "turntable_gan:plain,no_critic,no_finetune",
        {"psnr": 18.68, "ssim": 0.586},
      ),
      "resnext": Row(
        "ResNeXt blocks",
        "turntable_gan:resnext,no_critic,no_finetune",
        {"psnr": 19.23, "ssim": 0.596},
      ),
      "bilinear": Row(
        "bilinear decoder",
        "turntable_gan:bilinear,no_critic,no_finetune",
        {"psnr": 21.03, "ssim": 0.614},
      ),
      "both": Row(
        "both",
        "turntable_gan:both,no_critic,no_finetune",
        {"psnr": 21.53, "ssim": 0.629},
      ),
    },
  ),
  "critic": Table(
    title="Adversarial term",
    source="A, critic ablation: 30 epochs, test set",
    data=_A,
    protocol=_A_PROTOCOL,
    rows={
      "no_critic": Row(
        "no critic",
        "turntable_gan:both,no_critic,no_finetune",
        {"psnr": 21.53, "ssim": 0.629},
      ),
      "wgan": Row("WGAN", "turntable_gan:both,wgan,no_finetune", {"psnr": 22.33, "ssim": 0.651}),
      "wgan_gp": Row(
        "WGAN-GP", "turntable_gan:both,wgan_gp,no_finetune", {"psnr": 22.58, "ssim": 0.648}
      ),
    },
  ),
  "finetune": Table(
    title="Fine-tuning with the contextual bilateral loss",
    source="A, fine-tuning ablation: 20 more epochs, test set",
    data=_A,
    protocol=_A_PROTOCOL,
    rows={
      "finetune": Row(
        "without CoBi", "turntable_gan:both,wgan_gp,finetune", {"psnr": 22.87, "ssim": 0.661}
      ),
      "cobi": Row("with CoBi", "turntable_gan:both,wgan_gp,cobi", {"psnr": 23.56, "ssim": 0.679}),
    },
  ),
  "turntable_baselines": Table(
    title="Turntable GAN against earlier image networks",
    source="A, comparison on its test set; MBLLEN and DeblurGAN fine-tuned there for 20 epochs",
    data=_A,
    protocol=_A_PROTOCOL,
    note=(
      "Full size: --config.data.name=turntable_pairs trains every row on the same pairs. At the "
      "small sizes the budgets of rows are not equal, see steps and training time."
    ),
    rows={
      "mbllen": Row("MBLLEN", "mbllen", {"psnr": 20.30, "ssim": 0.616}, "no post-processing"),
      "deblurgan": Row("DeblurGAN", "deblurgan", {"psnr": 23.03, "ssim": 0.633}),
      "turntable_gan": Row(
        "turntable GAN", "turntable_gan:both,wgan_gp,cobi", {"psnr": 23.56, "ssim": 0.679}
      ),
    },
  ),
  "losses3d": Table(
    title="Losses of the 3-D U-Net",
    note=(
      "At the small sizes crops are too small for MS-SSIM, so that structure is SSIM alone; VGG "
      "losses look through VGG-16, which ships, with weights meant for VGG-19; the GAN's weight is "
      "0.01, not 1."
    ),
    source="C, loss table: 50 epochs, clips in groups of 10",
    data=_C,
    protocol=_C_PROTOCOL,
    metrics=_TEMPORAL,
    rows={
      "l1": Row("L1", "unet3d", {"psnr": 27.26798, "ssim": 0.84049, "mse_mabd_usc": 0.18188}),
      "structure": Row(
        "structure",
        "unet3d:structure",
        {"psnr": 26.70764, "ssim": 0.85367, "mse_mabd_usc": 1.5242},
      ),
      "region": Row(
        "region",
        "unet3d:region",
        {"psnr": 27.23463, "ssim": 0.84026, "mse_mabd_usc": 0.48029},
      ),
      "vgg": Row("VGG", "unet3d:vgg", {"psnr": 27.02222, "ssim": 0.83217, "mse_mabd_usc": 0.1627}),
      "multi1": Row(
        "structure + region + 0.01 VGG",
        "unet3d:multi1",
        {"psnr": 27.22877, "ssim": 0.84750, "mse_mabd_usc": 0.37438},
      ),
      "multi2": Row(
        "L1 + structure + region",
        "unet3d:multi2",
        {"psnr": 27.06469, "ssim": 0.852218, "mse_mabd_usc": 2.392},
      ),
      "gan": Row(
        "L1 + GAN",
        "unet3d:gan",
        {"psnr": 27.38365, "ssim": 0.84086, "mse_mabd_usc": 0.14062},
        "published beside another run of L1 (27.20 dB): 60 epochs, groups of 12",
      ),
    },
  ),
  "networks3d": Table(
    title="Forms of the 3-D U-Net",
    source="C, final report and side runs of its code: 60 epochs, groups of 12",
    data=_C,
    protocol=_C_PROTOCOL,
    metrics=_TEMPORAL,
    rows={
      "unet3d": Row(
        "depth 3, 32 channels",
        "unet3d",
        {"psnr": 27.203414, "ssim": 0.8399437, "mse_mabd_usc": 0.727619},
      ),
      "residual": Row(
        "residual pairs",
        "unet3d:residual",
        {"psnr": 27.4375552, "ssim": 0.841417162, "mse_mabd_usc": 0.18700},
      ),
      "bottleneck": Row("residual blocks at the bottom", "unet3d:bottleneck"),
      "depth2": Row(
        "depth 2",
        "unet3d:depth2",
        {"psnr": 26.3099, "ssim": 0.82396, "mse_mabd_usc": 0.15883},
      ),
      "depth2_bottleneck": Row(
        "depth 2, residual blocks at the bottom",
        "unet3d:depth2,bottleneck",
        {"psnr": 27.1945, "ssim": 0.84112, "mse_mabd_usc": 0.80398},
      ),
      "base16": Row(
        "16 channels",
        "unet3d:base16",
        {"psnr": 25.8452, "ssim": 0.81607, "mse_mabd_usc": 3.34787},
      ),
    },
  ),
  "smoid_baselines": Table(
    title="3-D U-Net against retrained baselines",
    source="C, comparison",
    data=_C,
    protocol=_C_PROTOCOL,
    metrics=_TEMPORAL,
    note=(
      "Full size: --config.data.name=smoid trains every row on SMOID, as published. At the small "
      "sizes MBLLVEN sees fewer pixels than the others."
    ),
    rows={
      "residual": Row(
        "3-D U-Net, residual",
        "unet3d:residual",
        {"psnr": 27.4375552, "ssim": 0.841417162, "mse_mabd_usc": 0.18700},
      ),
      "sid": Row(
        "SID U-Net", "sid:sony", {"psnr": 27.039, "ssim": 0.81556, "mse_mabd_usc": 0.96960}
      ),
      "mbllven": Row(
        "MBLLVEN", "mbllven", {"psnr": 24.600, "ssim": 0.79418, "mse_mabd_usc": 0.18450}
      ),
    },
  ),
  "temporal": Table(
    title="Memory, windows and single frames",
    source="B, comparison on DRV; SMID: Chen et al. 2019",
    data=_B,
    protocol=_B_PROTOCOL,
    metrics=_TEMPORAL,
    ranked=(("psnr", "psnr"), ("ssim", "ssim"), ("flicker", "tpsnr")),
    note=(
      "TPSNR is PSNR between neighbouring frames of a static scene and rewards any output that "
      "stands still; our flicker is measured against the target. Their orders are compared, not "
      "their values. The first four rows take raw light, the last two 8-bit pictures: the table "
      "`memory` has all on the same clips."
    ),
    rows={
      "clstm": Row(
        "CLSTM",
        "clstm:report",
        {"psnr": 18.42, "ssim": 0.593, "tpsnr": 29.32, "tssim": 0.924, "tmae": 2.85},
      ),
      "conv3d_mff": Row(
        "3-D CNN",
        "conv3d_mff",
        {"psnr": 17.18, "ssim": 0.615, "tpsnr": 35.31, "tssim": 0.964, "tmae": 1.38},
      ),
      "smid": Row(
        "SMID",
        "smid",
        {"psnr": 28.26, "ssim": 0.815, "tpsnr": 38.31, "tssim": 0.974, "tmae": 0.89},
      ),
      "sid": Row(
        "SID, frame by frame",
        "sid:sony",
        {"tpsnr": 33.72, "tssim": 0.939, "tmae": 1.56},
        "published without VBM4D",
      ),
      "per_frame": Row("U-Net, frame by frame", "turntable_gan:both,no_critic,no_finetune,pixels"),
      "recurrent_unet": Row("recurrent U-Net (ours)", "recurrent_unet"),
    },
  ),
  "memory": Table(
    title="What a memory is worth, on 8-bit video",
    source="ours; nothing of it is published",
    data="",
    protocol="",
    metrics=_TEMPORAL,
    ranked=(),
    rows={
      "per_frame": Row("U-Net, frame by frame", "turntable_gan:both,no_critic,no_finetune,pixels"),
      "conv3d_mff": Row("3-D CNN", "conv3d_mff:srgb"),
      "clstm": Row("CLSTM", "clstm:report,srgb"),
      "smid": Row("SMID", "smid:srgb", note="trained on still scenes"),
      "no_memory": Row("recurrent U-Net on single frames", "recurrent_unet:no_memory"),
      "recurrent_unet": Row("recurrent U-Net", "recurrent_unet"),
    },
  ),
  "systems": Table(
    title="Every system",
    source="each row its own",
    data="each system's own",
    protocol="each system's own",
    metrics=_TEMPORAL,
    ranked=(),
    note="Published figures of different rows come from different data and cannot be compared.",
    rows={
      "turntable_gan": Row(
        "turntable GAN (A)",
        "turntable_gan:both,wgan_gp,cobi",
        {"psnr": 23.56, "ssim": 0.679},
        "its own turntable pairs",
      ),
      "clstm": Row("CLSTM (B)", "clstm:report", {"psnr": 18.42, "ssim": 0.593}, "DRV"),
      "conv3d_mff": Row("3-D CNN (B)", "conv3d_mff", {"psnr": 17.18, "ssim": 0.615}, "DRV"),
      "unet3d": Row(
        "3-D U-Net, residual (C)",
        "unet3d:residual",
        {"psnr": 27.4375552, "ssim": 0.841417162},
        "SMOID",
      ),
      "unpool_gan": Row("max-unpooling GAN (D)", "unpool_gan", note="nothing published"),
      "enlighten_gan": Row(
        "EnlightenGAN, IllumiGAN (E)",
        "enlighten_gan",
        {"niqe": 3.39, "fid": 46.975584},
        "NIQE of Jiang et al. over five sets, from memory; IllumiGAN's FID is against dark inputs",
      ),
      "sid_sony": Row(
        "SID, Sony",
        "sid:sony",
        {"psnr": 28.88, "ssim": 0.787},
        "SID; Chen et al. 2018, from memory",
      ),
      "sid_fuji": Row(
        "SID, Fuji",
        "sid:fuji",
        {"psnr": 26.61, "ssim": 0.680},
        "SID; Chen et al. 2018, from memory",
        sizes=("full",),
      ),
      "smid": Row("SMID", "smid", {"psnr": 28.26, "ssim": 0.815}, "DRV; Chen et al. 2019"),
      "mbllen": Row("MBLLEN", "mbllen", {"psnr": 20.30, "ssim": 0.616}, "fine-tuned by A"),
      "mbllven": Row("MBLLVEN", "mbllven", {"psnr": 24.600, "ssim": 0.79418}, "retrained by C"),
      "deblurgan": Row("DeblurGAN", "deblurgan", {"psnr": 23.03, "ssim": 0.633}, "fine-tuned by A"),
      "kpn": Row("KPN", "kpn", {"psnr": 18.81, "ssim": 0.540}, "DRV; Chen et al. 2019"),
      "zero_dce": Row("Zero-DCE", "zero_dce"),
      "sci": Row("SCI", "sci"),
      "recurrent_unet": Row("recurrent U-Net (ours)", "recurrent_unet"),
    },
  ),
}


def get(names: str) -> dict[str, Table]:
  """The tables of a list such as "critic,finetune", each once; "all" is every one.

  Raises:
    UserError: no such table; the known ones are listed.
  """
  chosen = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
  if unknown := [name for name in chosen if name not in TABLES and name != "all"]:
    raise UserError(f"no table {', '.join(unknown)}; known: {', '.join(TABLES)}, all")
  if not chosen:
    raise UserError(f"--table names no table; known: {', '.join(TABLES)}, all")
  return dict(TABLES) if "all" in chosen else {name: TABLES[name] for name in chosen}
