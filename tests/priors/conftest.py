"""Networks, sets and trainings so small that a test takes a second."""

import csv

import pytest
import torch

from retrieve.priors.edm import EDM
from retrieve.priors.training.diffusion_task import DiffusionTask
from retrieve.priors.training.objects import Simulated
from retrieve.priors.training.settings import Training
from retrieve.simulate import Domains2D

SMALL = {"base": 8, "widths": [1, 2], "blocks": 1, "attention": [], "embedding": 16, "patch": 1}
FILM = Domains2D(size=16, domains=3, kind="blobs", fill=0.3)


@pytest.fixture
def small():
    """Options of a U-Net of a few thousand weights."""
    return dict(SMALL)


@pytest.fixture
def film():
    """Three blobs in an ellipse that reaches 5 of 16 px."""
    return FILM


@pytest.fixture
def task():
    """A function that makes the same small denoising task each time."""

    def made(window=(12, 12), source=None, **options):
        torch.manual_seed(0)
        return DiffusionTask(EDM(window, SMALL | options), source or Simulated(FILM), validation=8)

    return made


@pytest.fixture
def brief():
    """A function that makes the settings of a training of few objects, in float32 and by no clock."""
    return lambda **more: Training(**({"objects": 64, "minutes": None, "batch": 8, "precision": "float32", "rate": 3e-3} | more))


@pytest.fixture
def awake():
    """A function that makes a network forget that its last layers began at zero."""

    def made(module):
        rng = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for p in module.parameters():
                p.add_(0.05 * torch.randn(p.shape, generator=rng))
        return module

    return made


@pytest.fixture
def same():
    """Whether two nested states are equal to the last bit, memory layout aside."""

    def equal(a, b):
        if isinstance(a, torch.Tensor):
            return torch.equal(a, b)
        if isinstance(a, dict):
            return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
        if isinstance(a, (list, tuple)):
            return len(a) == len(b) and all(map(equal, a, b))
        return a == b

    return equal


@pytest.fixture
def log_of():
    """A function that reads a training's log, in rows of text."""

    def rows(folder):
        with (folder / "log.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    return rows
