"""System A's tables: a final-year report of HKUST, on turntable pairs that were never published."""

from experiments.reporting.table import Row, Table

_A = "turntable pairs of its authors, never published; split by crop, so scenes leak into the test"
_A_PROTOCOL = "PSNR over MAX/sqrt(MSE), MAX not given; SSIM with a window whose size is not given"

TABLES: dict[str, Table] = {
  "turntable_ablation": Table(
    title="Form of the generator",
    source="A, generator ablation: no critic, 30 epochs, test set",
    data=_A,
    protocol=_A_PROTOCOL,
    rows={
      "plain": Row(
        "plain U-Net",
        "turntable_gan:published,plain,no_critic,no_finetune",
        {"psnr": 18.68, "ssim": 0.586},
      ),
      "resnext": Row(
        "ResNeXt blocks",
        "turntable_gan:published,resnext,no_critic,no_finetune",
        {"psnr": 19.23, "ssim": 0.596},
      ),
      "bilinear": Row(
        "bilinear decoder",
        "turntable_gan:published,bilinear,no_critic,no_finetune",
        {"psnr": 21.03, "ssim": 0.614},
      ),
      "both": Row(
        "both",
        "turntable_gan:published,both,no_critic,no_finetune",
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
        "turntable_gan:published,both,no_critic,no_finetune",
        {"psnr": 21.53, "ssim": 0.629},
      ),
      "wgan": Row(
        "WGAN", "turntable_gan:published,both,wgan,no_finetune", {"psnr": 22.33, "ssim": 0.651}
      ),
      "wgan_gp": Row(
        "WGAN-GP",
        "turntable_gan:published,both,wgan_gp,no_finetune",
        {"psnr": 22.58, "ssim": 0.648},
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
        "without CoBi",
        "turntable_gan:published,both,wgan_gp,finetune",
        {"psnr": 22.87, "ssim": 0.661},
      ),
      "cobi": Row(
        "with CoBi", "turntable_gan:published,both,wgan_gp,cobi", {"psnr": 23.56, "ssim": 0.679}
      ),
    },
  ),
  "turntable_baselines": Table(
    title="Turntable GAN against earlier image networks",
    source="A, comparison on its validation and test set; the others fine-tuned for 20 epochs",
    data=_A,
    protocol=_A_PROTOCOL,
    note=(
      "All rows on turntable pairs. The fine-tuned ones begin with their authors' weights where "
      "they can be had: --config.train.init_from=FILE, MBLLEN's by llve_jax.zoo.import_weights; "
      "without, from nothing. At the small sizes the budgets of rows are not equal, see steps and "
      "training time."
    ),
    rows={
      "mbllen": Row(
        "MBLLEN, as the network gives it",
        "mbllen:turntable",
        {"psnr": 20.30, "ssim": 0.616, "psnr_validation": 20.33, "ssim_validation": 0.627},
      ),
      "mbllen_stretched": Row(
        "MBLLEN, post-processed",
        "mbllen:turntable,stretched",
        {"psnr": 10.89, "ssim": 0.540, "psnr_validation": 12.05, "ssim_validation": 0.549},
      ),
      "deblurgan": Row(
        "DeblurGAN",
        "deblurgan:turntable",
        {"psnr": 23.03, "ssim": 0.633, "psnr_validation": 22.33, "ssim_validation": 0.651},
      ),
      "turntable_gan": Row(
        "turntable GAN",
        "turntable_gan:published,both,wgan_gp,cobi",
        {"psnr": 23.56, "ssim": 0.679, "psnr_validation": 23.73, "ssim_validation": 0.681},
      ),
    },
  ),
}
