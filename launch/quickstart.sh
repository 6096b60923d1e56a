#!/usr/bin/env bash
# The whole path on the embedded data, a few minutes on two CPU cores. Each command is shown before
# it runs; type them yourself with other options. Usage: launch/quickstart.sh OUTPUT_FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:?usage: launch/quickstart.sh OUTPUT_FOLDER}
export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-3}
mkdir -p "$out"

say() { printf '\n\033[1m== %s\033[0m\n' "$1"; }
run() {
  printf '$ %s\n' "$*"
  "$@"
}

say "A dark clip, and the network that comes with the package ($(date +%T))"
run python -m tfds_builders.dark_clips.sample "$out/dark.mp4"
run python -m llve_jax.enhance "$out/dark.mp4" "$out/night.mp4"

say "Data: real clips, made dark ($(date +%T))"
run python -m tfds_builders dark_clips --config=holdout_carphone --data_dir="$out/data"

say "Train: a small network that remembers ($(date +%T))"
run python -m experiments.train --config=experiments/configs/recurrent_unet.py:quick \
  --config.train.steps=180 --config.eval.every=90 --config.train.save_every=90 \
  --config.data.dir="$out/data" --workdir="$out/run"

say "Evaluate on a clip that training never saw ($(date +%T))"
run python -m experiments.evaluate --model="$out/run" --data_dir="$out/data" --out="$out/evaluation"

say "Enhance the dark clip, as a file ($(date +%T))"
dark=$out/evaluation/carphone_0_dark.mp4
run python -m llve_jax.enhance "$dark" "$out/bright.mp4" --model="$out/run"
run python -m llve_jax.enhance "$dark" "$out/side_by_side.mp4" --model="$out/run" --side_by_side

say "Export for serving ($(date +%T))"
run python -m llve_jax.export --model="$out/run" "$out/saved_model"

say "Done ($(date +%T))"
cat "$out/evaluation/table.txt"
cat <<EOF

  $out/night.mp4              a dark clip by the network that comes with the package
  $out/bright.mp4             the held-out clip by the network that was trained just now
  $out/side_by_side.mp4       dark and enhanced
  $out/evaluation/strip.png   dark, best classic method, network, target
  $out/saved_model            SavedModel, any batch, length, height and width

Next: your own video   .venv/bin/python -m llve_jax.enhance IN.mp4 OUT.mp4
      learning curves  .venv/bin/tensorboard --logdir=$out/run/tensorboard
      the real size    .venv/bin/python -m experiments.train --config=experiments/configs/recurrent_unet.py \\
                         --config.data.name=dark_clips --config.data.crop=128 --config.data.dir=$out/data --workdir=DIR
EOF
