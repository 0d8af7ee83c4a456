"""Every benchmark of speed, one after the other: their tables, and their figures with the machine's facts in benchmarks/results.

    python benchmarks/speed.py              # all that this machine can do: an hour or more
    python benchmarks/speed.py iteration card

What needs a card, measured data (RETRIEVE_DATA) or much memory is left out where there is none, which is told. One that
fails or misses a bar does not keep the others from running; the exit status is then 1.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
LARGE = 20 * 2**30  # bytes of memory for 512³
COMMANDS = {
    "iteration": ["iteration.py"],
    "iteration-256": ["iteration.py", "256"],
    "memory-256": ["iteration.py", "memory", "256"],
    "memory-512": ["iteration.py", "memory", "512"],
    "solution": ["solution.py", "known", "20"],
    "solution-aps": ["solution.py", "aps", "4"],
    "scaling": ["scaling.py"],
    "throughput": ["throughput.py"],
    "sampler": ["diffusion.py", "speed"],
    "card": ["card.py"],
    "throughput-card": ["throughput.py", "cuda"],
}


def missing(name: str) -> str | None:
    """What this machine lacks for a benchmark."""
    if "card" in name and importlib.util.find_spec("cupy") is None:
        return "no CuPy, so no card"
    if name == "solution-aps" and not Path(os.environ.get("RETRIEVE_DATA", "")).joinpath("aps34idc_s0054_prepared.npz").is_file():
        return "RETRIEVE_DATA names no folder with the gold crystal"
    if name == "memory-512" and os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") < LARGE:
        return f"less than {LARGE >> 30} GiB of memory"
    return None


def main() -> int:
    """Run those that are named, or all."""
    chosen = sys.argv[1:] or list(COMMANDS)
    if unknown := sorted(set(chosen) - set(COMMANDS)):
        raise SystemExit(f"unknown: {', '.join(unknown)}; known: {', '.join(COMMANDS)}")
    ended = {}
    for name in chosen:
        print(f"\n== {name}", flush=True)
        if lack := missing(name):
            print(f"left out: {lack}", flush=True)
            continue
        script, *more = COMMANDS[name]
        ended[name] = subprocess.run([sys.executable, str(HERE / script), *more], check=False).returncode
    failed = [f"{name} ({code})" for name, code in ended.items() if code]
    print(f"\n{len(ended)} run" + (f"; ended otherwise than well: {', '.join(failed)}" if failed else ""))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
