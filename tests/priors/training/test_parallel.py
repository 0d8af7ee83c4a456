"""Objects shared out among workers and processes, and two processes that train together."""

import itertools
import os
import subprocess
import sys

import pytest
import torch

from retrieve.priors.training.checkpoint import read_checkpoint
from retrieve.priors.training.loop import batches_after
from retrieve.priors.training.parallel import World


def test_workers_make_the_same_objects(task, brief, same):
    world = World(torch.device("cpu"))
    for done in (0, 24):
        streams = (batches_after(task(), brief(workers=workers), done, world) for workers in (0, 2))
        plain, shared = (list(itertools.islice(stream, 4)) for stream in streams)
        assert same(plain, shared)


def powers(batches):
    """What tells objects apart whatever their order, sorted."""
    return torch.cat([x.abs().sum((1, 2, 3)) for x, *_ in batches]).sort().values


def test_each_process_has_its_own_objects(task, brief):
    pool = task().pool_size(8)
    worlds = [World(torch.device("cpu"), rank, 2) for rank in (0, 1)]
    mine, theirs = (list(itertools.islice(batches_after(task(), brief(), 0, world), pool)) for world in worlds)
    alone = list(itertools.islice(batches_after(task(), brief(), 0, World(torch.device("cpu"))), 2 * pool))
    torch.testing.assert_close(powers(mine + theirs), powers(alone))
    assert len(set(powers(mine).tolist()) & set(powers(theirs).tolist())) == 0


def test_batches_go_on_within_a_pool(task, brief, same):
    world = World(torch.device("cpu"))
    whole = list(itertools.islice(batches_after(task(), brief(), 0, world), 40))
    for done in (5, 32, 37):
        rest = list(itertools.islice(batches_after(task(), brief(), 8 * done, world), 40 - done))
        assert same(rest, whole[done:])


TWO = """
import sys, torch
from pathlib import Path
from retrieve.priors.edm import EDM
from retrieve.priors.training.diffusion_task import DiffusionTask
from retrieve.priors.training.objects import Simulated
from retrieve.priors.training.parallel import rank
from retrieve.priors.training.loop import train
from retrieve.priors.training.settings import Training
from retrieve.simulate import Domains2D

torch.manual_seed(rank())  # the weights of the first one hold
small = {"base": 8, "widths": [1], "blocks": 1, "attention": [], "embedding": 16, "patch": 1}
source = Simulated(Domains2D(size=16, domains=3, kind="blobs", fill=0.3))
folder, objects = Path(sys.argv[1]), None if sys.argv[2] == "none" else int(sys.argv[2])
# by the clock: were it each process's own, they would stop at different steps and wait for each other for good
settings = Training(objects=objects, minutes=0.05 if objects is None else None, batch=4, precision="float32", validate_every=1)
stop = lambda told: len(sys.argv) > 3 and told.objects >= int(sys.argv[3])
try:
    module = train(DiffusionTask(EDM((12, 12), small), source, validation=4), settings, folder, on_step=stop)
    torch.save(module.state_dict(), folder / f"rank-{rank()}.pt")
except KeyboardInterrupt:
    (folder / f"stopped-{rank()}").touch()
"""


def run_two(folder, *words):
    """`TWO` in two processes under torchrun."""
    script = folder / "two.py"
    script.write_text(TWO)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script), str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=200, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_two_processes_end_with_the_same_weights(tmp_path, same, log_of):
    run_two(tmp_path, "none")
    one, other = (torch.load(tmp_path / f"rank-{k}.pt", weights_only=True) for k in (0, 1))
    assert same(dict(one), dict(other))
    rows = [int(row["objects"]) for row in log_of(tmp_path)]
    state = read_checkpoint(tmp_path)
    assert rows == sorted(set(rows))
    assert rows
    assert rows[-1] == state["objects"] == 8 * state["step"]


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on(tmp_path, same):
    (tmp_path / "straight").mkdir()
    run_two(tmp_path / "straight", "64")
    run_two(tmp_path, "64", "32")
    assert (tmp_path / "stopped-0").exists()
    assert (tmp_path / "stopped-1").exists()
    assert read_checkpoint(tmp_path)["objects"] == 32
    run_two(tmp_path, "64")
    for name in ("rank-0.pt", "rank-1.pt"):
        one, other = (torch.load(folder / name, weights_only=True) for folder in (tmp_path / "straight", tmp_path))
        assert same(dict(one), dict(other))
