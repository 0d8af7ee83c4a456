"""Networks against the machine's rate of matrix multiplication: denoiser calls and steps of training.

    python benchmarks/throughput.py            # on the CPU, one thread
    python benchmarks/throughput.py cuda       # on a card

The operations of a call are counted (torch.utils.flop_counter: convolutions and matrix products), its time is taken
beside products of 2048² matrices in the same precision, in turns, and the medians are printed. CPU time on a CPU, wall
time on a card. What a share falls short of 1 by is memory traffic, small layers, and whatever is not a product.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from clock import save
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from retrieve.priors.precision import arithmetic
from retrieve.priors.weights import build_module, card_of, load_weights

REPEATS = 5
BATCHES = {"domains2d": (1, 4, 8), "domains3d": (1, 4)}
TRAINED = {"domains2d": 32, "domains3d": 8}


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """CPU seconds of one thread; on a card wall seconds until it is done."""
    if device.type != "cuda":
        begun = time.process_time()
        work()
        return time.process_time() - begun
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    torch.cuda.synchronize(device)
    return time.perf_counter() - start


def product(device: torch.device, precision: str) -> tuple[Callable[[], object], int]:
    """A product of matrices, and its operations."""
    n = 2048 if device.type != "cuda" else 8192
    a, b = (torch.randn(n, n, device=device, dtype=getattr(torch, precision)) for _ in range(2))
    return lambda: a @ b, 2 * n**3


def denoising(name: str, batch: int, device: torch.device, precision: str) -> Callable[[], object]:
    """A call of a prior that ships, on objects as large as its window."""
    module = load_weights(name, device)
    shape = (batch, *module.window)
    x = torch.randn(shape, dtype=torch.complex64, device=device)
    support = torch.ones((1, *shape[1:]), dtype=torch.bool, device=device)

    def call() -> object:
        with torch.no_grad(), arithmetic(precision, device):
            return module.denoise(x, 0.5, support)

    return call


def training(name: str, batch: int, device: torch.device, precision: str) -> Callable[[], object]:
    """A step of training of such a network: loss, gradient, optimiser."""
    module = build_module(card_of(name)["architecture"]).to(device)
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-4)
    x = torch.randn((batch, 2, *module.window), device=device)
    support, rng = torch.ones_like(x[:, :1]), torch.Generator().manual_seed(0)

    def step() -> None:
        with arithmetic(precision, device):
            loss = module(x, support, rng).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


def row(what: str, name: str, batch: int, work: Callable[[], object], device: torch.device, precision: str) -> dict[str, Any]:
    """Operations, time and the share of the rate of matrix products."""
    multiply, operations = product(device, precision)
    with FlopCounterMode(display=False) as counter:
        work()
    for _ in range(2):
        work()
        multiply()
    taken = [(seconds(work, device), seconds(multiply, device)) for _ in range(REPEATS)]
    flops = counter.get_total_flops()
    ours, floor = (statistics.median(column) for column in zip(*taken, strict=True))
    share = statistics.median((flops / a) / (operations / b) for a, b in taken)
    rates = {"gflops": flops / ours / 1e9, "product_gflops": operations / floor / 1e9, "share": share}
    return {"what": what, "network": name, "batch": batch, "precision": precision, "gflop": flops / 1e9, "seconds": ours, **rates}


def main() -> int:
    device = torch.device(*sys.argv[1:2] or ["cpu"])
    torch.set_num_threads(1)
    precisions = ("float32", "bfloat16")
    rows = []
    for precision in precisions:
        for name, batches in BATCHES.items():
            for batch in batches:
                rows.append(row("denoise", name, batch, denoising(name, batch, device, precision), device, precision))
            size = TRAINED[name]
            rows.append(row("train", name, size, training(name, size, device, precision), device, precision))
            print(rows[-1], flush=True)
    table = Table("what", "network", "batch", "precision", "GFLOP", "s", "GFLOP/s", "of a product's")
    for r in rows:
        numbers = (f"{r['gflop']:.1f}", f"{r['seconds']:.4f}", f"{r['gflops']:.0f}", f"{r['share']:.2f}")
        table.add_row(r["what"], r["network"], str(r["batch"]), r["precision"], *numbers)
    Console(width=120).print(table)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    save("throughput", {device.type: {"device": where, "rows": rows}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
