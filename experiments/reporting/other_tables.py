"""Tables of photographs (Systems D and E), of all systems side by side, and one of our own."""

from experiments.reporting.table import TEMPORAL, Row, Table

TABLES: dict[str, Table] = {
  "memory": Table(
    title="What a memory is worth, on 8-bit video",
    source="ours; nothing of it is published",
    data="",
    protocol="",
    metrics=TEMPORAL,
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
  "phone": Table(
    title="Max-unpooling GAN against methods without training",
    source="D, slides: pictures side by side, no figures",
    data="SID, Sony, rendered at half size, the darkest exposure of each scene",
    protocol="none; about 50 ms a picture on a phone",
    ranked=(),
    note=(
      "The slides also show GLAD, MBLLEN and LEUGAN; MBLLEN is in turntable_baselines, the others "
      "are not here. Scaling + BM3D needs the package bm3d (extra `bm3d`)."
    ),
    rows={
      "unpool_gan": Row("max-unpooling GAN", "unpool_gan:published"),
      "bm3d": Row("scaling, BM3D", "unpool_gan:published", model="auto_gain_bm3d"),
      "lime": Row("LIME", "unpool_gan:published", model="lime"),
    },
  ),
  "illumination_grid": Table(
    title="Rate, batch and length of EnlightenGAN",
    source="E, grid of its training",
    data="EnlightenGAN's pictures without pairs",
    protocol=(
      "FID (Inception) of results and the dark INPUTS at 600x400: it measures how far results "
      "moved from the dark, not how near they are to the bright"
    ),
    metrics=("psnr", "ssim", "fid_vgg16"),
    ranked=(("fid_vgg16", "fid"),),
    flags=("--frechet",),
    note="Ours is the Frechet distance on VGG-16 from the bright targets.",
    rows={
      "rate1e2": Row("rate 1e-2", "enlighten_gan:released,rate1e2", {"fid": 54.364699}),
      "rate1e3": Row("rate 1e-3", "enlighten_gan:released,rate1e3", {"fid": 54.591752}),
      "rate1e4": Row("rate 1e-4", "enlighten_gan:released", {"fid": 46.975584}),
      "rate1e5": Row("rate 1e-5", "enlighten_gan:released,rate1e5", {"fid": 52.309086}),
      "rate1e6": Row("rate 1e-6", "enlighten_gan:released,rate1e6", {"fid": 48.2036344}),
      "batch8": Row("batch 8", "enlighten_gan:released,batch8", {"fid": 47.608967}),
      "batch16": Row("batch 16", "enlighten_gan:released,batch16", {"fid": 63.224394}),
      "tanh": Row(
        "batch 16, tanh",
        "enlighten_gan:released,batch16,tanh",
        {"fid": 63.224394},
        note="to all digits the figure of the row above: it cannot have been another run",
      ),
      "epochs300": Row("300 epochs", "enlighten_gan:released,epochs300", {"fid": 54.637}),
    },
  ),
  "systems": Table(
    title="Every system",
    source="each row its own",
    data="each system's own",
    protocol="each system's own",
    metrics=TEMPORAL,
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
