"""Commands in processes of their own that are killed at random times, and what they leave."""

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np

from retrieve.cli import main
from retrieve.files.leftovers import alive
from retrieve.simulate import blobs, measure

FILM = "domains2d:size=16,domains=3,fill=0.3,kind=blobs"
SIZE = {"base": 8, "widths": 1, "attention": "none", "embedding": 16, "blocks": 1, "patch": 1, "threads": 1, "batch": 8}
TINY = [word for name, value in SIZE.items() for word in (f"--{name}", str(value))]
PRELOADED = [
    "torch._dynamo", "torch.optim.adam", "torch.utils.data", "matplotlib.backends.backend_agg", "sklearn.decomposition",
    "retrieve.cli.run", "retrieve.cli.many_files", "retrieve.cli.compare", "retrieve.cli.train", "retrieve.cli.prepare",
    "retrieve.driver.solve", "retrieve.driver.processes", "retrieve.evaluate.compare", "retrieve.evaluate.verdict",
    "retrieve.priors.training.loop", "retrieve.priors.weights", "retrieve.prepare", "retrieve.io.results",
    "retrieve.report.figure", "retrieve.numerics.fast.fftw", "retrieve.numerics.fast.passes",
]  # fmt: skip
WORDS = {
    "run": ["run", "a.npz", "b.npz", "--out-dir", "out", "--recipe", "300 hio", "--starts", "3"],
    "workers": ["run", "a.npz", "--out-dir", "out", "--recipe", "300 hio", "--starts", "3", "--workers", "2"],
    "compare": ["compare", "a.npz", "b.npz", "--solver", "hio:iterations=150", "--solver", "raar:iterations=150", "--starts", "2",
                "--executor", "serial", "--json", "c.json", "--resume"],
    "train": ["train", "diffusion", FILM, "--out", "net", *TINY, "--precision", "float32", "--objects", "160",
              "--checkpoint-every", "0.05"],
    "prepare": ["prepare", "scan", "frames.npz", "--out", "pattern.npz", "--force"],
}  # fmt: skip
PICTURE = {"run", "workers", "prepare"}


def make_inputs(folder):
    """Two patterns of 32² and a rocking scan."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate("ab"):
        x, support = blobs((32, 32), seed=seed, fill=0.1)
        np.savez(folder / f"{name}.npz", intensity=1e4 * measure(x), support=support)
    q = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in (60, 96, 96)), indexing="ij"))
    counts = 1e4 * np.sinc(q / np.array([9, 7, 8])[:, None, None, None]).prod(0) ** 2
    np.savez(folder / "frames.npz", frames=np.random.default_rng(0).poisson(counts).astype(np.uint16))


def words_of(kind):
    return [*WORDS[kind], "-q", *(["--no-picture"] if kind in PICTURE else [])]


@cache
def _context():
    """Processes are forked from one that has imported everything: a command begins in a moment."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _command(words, folder, ready):
    os.setsid()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(130))  # until the command listens
    ready.send(True)
    os.chdir(folder)
    log = os.open("log.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    main(words)


def begin(kind, folder):
    """Begin a command in a session of its own, and wait until it can take signals."""
    here, there = _context().Pipe()
    process = _context().Process(target=_command, args=(words_of(kind), folder, there))
    process.start()
    assert here.recv()
    return process


def finish(kind, folder):
    """Run a command to its end."""
    process = begin(kind, folder)
    process.join(120)
    assert process.exitcode == 0, (process.exitcode, (folder / "log.txt").read_text())


def session_of(leader):
    """The living processes that a command began."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and alive(int(stat.parent.name)):
            found.append(int(stat.parent.name))
    return found


def kill(kind, folder, number, after):
    """Begin a command, kill it after some seconds, and return the exit code. No process may be there 5 s later."""
    process = begin(kind, folder)
    process.join(after)
    if process.is_alive():
        os.kill(process.pid, number)
    process.join(30)
    deadline = time.monotonic() + 5
    while left := session_of(process.pid):
        assert time.monotonic() < deadline, f"{left} go on 5 s after the end of {kind} by {number}"
        time.sleep(0.05)
    assert process.exitcode in (0, 130 if number == signal.SIGTERM else -number), (folder / "log.txt").read_text()
    return process.exitcode


def send_when(ready, process, number, seconds=120):
    """Send a signal to the leader of a session as soon as `ready()`. Its processes stand still while the test looks.

    Whatever `ready` saw is so when the signal comes, on any processor.
    """
    deadline, there = time.monotonic() + seconds, False
    while not there:
        time.sleep(0.01)
        assert process.poll() is None, f"it ended with {process.returncode} before the signal"
        assert time.monotonic() < deadline
        os.killpg(process.pid, signal.SIGSTOP)
        there = ready()
        if there:
            os.kill(process.pid, number)
        os.killpg(process.pid, signal.SIGCONT)


def partial_files(folder):
    return [path for path in folder.rglob("*") if ".partial-" in path.name]


def outcome(kind, folder):
    """All that a finished command leaves, without times."""
    from retrieve.io.results import read_result

    if kind in ("run", "workers"):
        found = {}
        for path in sorted((folder / "out").glob("*.cxi")):
            result = read_result(path)
            assert not result.interrupted
            found[path.name] = {"object": result.object, "estimates": result.estimates, "chosen": np.array(result.chosen)}
        assert not list((folder / "out").glob(".*"))
        return found
    if kind == "compare":
        document = json.loads((folder / "c.json").read_text())
        document.pop("times")
        return {"comparison": json.dumps(document, sort_keys=True)}
    if kind == "train":
        import torch

        state = torch.load(folder / "net" / "checkpoint.pt", weights_only=True)
        return {name: state[name] for name in ("module", "average", "optimiser", "step", "objects")} | {
            "weights": _tensors(folder / "net")
        }
    with np.load(folder / "pattern.npz") as file:
        return {name: file[name] for name in file.files if name != "meta"}


def _tensors(folder):
    from safetensors.torch import load_file

    [path] = folder.glob("*.safetensors")
    return load_file(path)


def same(one, other):
    """Whether two nested values are equal to the bit."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "shape"):
        return one.shape == other.shape and np.asarray(one).tobytes() == np.asarray(other).tobytes()
    return one == other


def campaign(kind, folder, numbers, kills, seed):
    """Kill a command at random times by each signal, and go on until it ends: each end is that of an undisturbed command."""
    lasts = []
    for name in ("first", "second"):  # the first waits for the server of processes, and measures transforms
        make_inputs(folder / name)
        begun = time.monotonic()
        finish(kind, folder / name)
        lasts.append(time.monotonic() - begun)
    expected, draw = outcome(kind, folder / name), random.Random(seed)
    for number in numbers:
        _killed(kind, folder, number, kills, lambda: draw.uniform(0, min(lasts)), expected)


def _killed(kind, folder, number, kills, after, expected):
    """Kill a command by a signal until it was met so many times; a command that ends is compared and begun anew."""
    met = 0
    for trial in range(10 * kills):  # some end before the signal
        here = folder / f"{number:d}-{trial}"
        make_inputs(here)
        while met < kills and kill(kind, here, number, after()) != 0:
            met += 1
        finish(kind, here)
        assert not partial_files(here)
        assert same(outcome(kind, here), expected), f"{kind} after {number:d} differs in {here}"
        if met == kills:
            return
    raise AssertionError(f"{kind} was met by {met} of {kills} signals alone")
