"""A denoiser trained from nothing on a CPU in 20 minutes, and how good it is at each noise level.

    python benchmarks/train_prior.py --threads 2          # what `retrieve train diffusion films2d` does, into a new folder

Prints the tables of benchmarks/prior_loss.py and writes benchmarks/results/train_prior.json: the record of the
training beside the errors on both sets.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
from prior_loss import SETS, compared, show
from rich.console import Console

from retrieve.cli import main as retrieve
from retrieve.priors import weights
from retrieve.provenance import versions

TARGET = Path(__file__).parent / "results" / "train_prior.json"


def main() -> int:
    """Train, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--objects", type=int, default=512, help="of the test seed")
    parser.add_argument("--samples", type=int, default=20_000, help="of which the covariance is taken")
    parser.add_argument("--folder", type=Path, help="keep the training here  [a temporary one]")
    parser.add_argument("--out", type=Path, default=TARGET)
    given, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        words = ["--out", str(folder), "--name", "prior", "--minutes", str(given.minutes), "--threads", str(given.threads)]
        retrieve(["train", "diffusion", "films2d", *words, *more])
        module, card = weights.load_weights(folder / "prior.safetensors"), weights.card_of(folder / "prior.safetensors")
    torch.set_num_threads(given.threads)
    rows = [row for name in SETS[2] for row in compared(module, name, given.objects, given.samples)]
    show(f"{given.minutes:g} minutes", rows, Console())
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps({"card": card, "rows": rows, "versions": versions()}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
