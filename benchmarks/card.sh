#!/bin/sh
# What a machine with an NVIDIA card does for the told denoisers, in ten minutes in all:
# it trains on, runs the tests that need a card and the speed table, and keeps weights and figures.
#
#     sh benchmarks/card.sh FOLDER [MINUTES]      # FOLDER is resumed if it has a checkpoint; MINUTES of training, 6 unless given
#
# Take the weights over by copying FOLDER/told2d.safetensors to retrieve/priors/weights, with its line in SHA256SUMS.
set -eu
out=${1:?give a folder for weights and figures}
minutes=${2:-6}
mkdir -p "$out"
init=$(python -c 'from retrieve.priors.weights import shipped; print("told2d" if "told2d" in shipped() else "domains2d")')
python -m retrieve train diffusion films2d --kind told --init "$init" --sigma 0.2 --unknown 0.08 --batch 256 --rate 8e-4 \
    --minutes "$minutes" --data-seed 1000021 --device cuda --name told2d --out "$out"
python -m pytest -q -m gpu tests/gpu > "$out/gpu_tests.txt" 2>&1 || echo "GPU tests failed; see $out/gpu_tests.txt"
python benchmarks/card.py > "$out/card.txt" 2>&1 || echo "the speed table failed; see $out/card.txt"
python benchmarks/told.py error --weights "$out/told2d.safetensors" --objects 64 --out "$out/told.json"
python benchmarks/told.py dps --weights "$out/told2d.safetensors" --solvers told --objects 8 --seed 2000000 --noise 0.01 0.05 \
    --out "$out/told.json"
