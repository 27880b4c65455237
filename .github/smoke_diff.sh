#!/usr/bin/env bash
# Train on a handful of images with the revision BASE and with HEAD, and print, as Markdown, the
# metrics that differ. Works in a temporary clone: the working tree stays as it is.
set -euo pipefail
base=$(git rev-parse --verify --quiet "${1:?usage: smoke_diff.sh BASE}^{commit}") || {
  echo "no such revision: $1" >&2
  exit 1
}
head=$(git rev-parse HEAD)
work_dir=$(mktemp -d)
trap 'rm -rf "$work_dir"' EXIT
git clone --quiet --no-checkout . "$work_dir/clone"
cd "$work_dir/clone"
export PYTHONPATH=$PWD # the code of the revision, not that of the working tree
tiny=(-S data.limit=8 -S 'data.image_size=[128,32]' -S 'model.decoder_channels=[16,8,8,8,4]'
  -S train.epochs=2 -S train.batch_size=4 -S evaluate.timing_images=1)
for name in base head; do
  git checkout --quiet --force --detach "${!name}"
  dvc exp run --name "smoke-$name" "${tiny[@]}" >&2
done
echo "Smoke training on 8 images a split: ${base:0:10} (old) against ${head:0:10} (new)."
echo "The scores of so small a run mean nothing; a change that should change no number shows none but times."
echo
dvc metrics diff smoke-base smoke-head --md
