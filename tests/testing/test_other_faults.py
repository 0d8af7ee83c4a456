"""Checks of operators, priors, metrics and readers: what is sound passes, each fault fails the check meant for it."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from retrieve.errors import InputError
from retrieve.evaluate.metrics import Metric
from retrieve.io import RawFile, Reader
from retrieve.operators import FarField, Operator, Pad
from retrieve.priors.windows import window_of
from retrieve.testing import run_checks


def failing(subject):
    return [outcome.check for outcome in run_checks(subject) if outcome.status == "failed"]


def skipped(subject):
    return {outcome.check: outcome.reason for outcome in run_checks(subject) if outcome.status == "skipped"}


# operators ---------------------------------------------------------------------------------------


class Turned(FarField):
    """The far field, to which faults are done."""

    after = staticmethod(lambda x, y: y)
    back = staticmethod(lambda y, x: x)

    def forward(self, x):
        return self.after(x, super().forward(x))

    def adjoint(self, y):
        return self.back(y, super().adjoint(y))


def spoil(x, y):
    x[..., 0] = 0
    return y


OPERATORS = {
    "shapes and dtypes": [{"after": lambda x, y: y[:, 1:]}, {"after": lambda x, y: y.astype(np.complex64)}],
    "adjoint": [{"after": lambda x, y: 2j * y}],
    "linear": [{"after": lambda x, y: y * abs(y), "isometry": False}],
    "isometry where promised": [{"after": lambda x, y: 2 * y, "back": lambda y, x: 2 * x}],
    "batch": [
        {"after": lambda x, y: y + np.mean(y, axis=0, keepdims=True), "back": lambda y, x: x + np.mean(x, 0, keepdims=True)}
    ],
    "leaves its input alone": [{"after": spoil}],
}


@pytest.mark.parametrize(("check", "fault"), [(check, fault) for check, faults in OPERATORS.items() for fault in faults])
def test_operators(check, fault):
    kind = type("Faulty", (Turned,), {k: staticmethod(v) if callable(v) else v for k, v in fault.items()})
    found = [name for name in failing(kind((12, 10))) if not name.startswith("runs on")]
    assert check in found
    assert found[0] == check or check != "shapes and dtypes"


def test_an_operator_of_numpy_alone():
    class NumPyAlone(FarField):
        def forward(self, x):
            return np.fft.fft2(np.asarray(x).astype(complex), norm="ortho").astype(np.asarray(x).dtype)

        def adjoint(self, y):
            return np.fft.ifft2(np.asarray(y).astype(complex), norm="ortho").astype(np.asarray(y).dtype) * (type(y) is np.ndarray)

    assert set(failing(NumPyAlone((12, 10)))) & {"runs on torch", "runs on array-api-strict"}


def test_classes_of_operators():
    assert failing(FarField) == []
    assert "gives" not in skipped(FarField)
    reasons = skipped(Pad)
    assert "Pad((12, 10)) makes no operator (TypeError" in reasons["shapes and dtypes"]
    assert "give the class a classmethod example()" in reasons["adjoint"]


def test_an_operator_without_shapes():
    class Shapeless(Operator):
        in_shape = [4, 4]
        out_shape = (4, 4)

        def forward(self, x):
            return x

        def adjoint(self, y):
            return y

    assert failing(Shapeless()) == ["shapes and dtypes"]


# priors ------------------------------------------------------------------------------------------


class White:
    """The exact prior of white objects in its window, to which faults are done."""

    window = (24, 20)

    def denoise(self, x, sigma, support=None):
        sigma = torch.as_tensor(sigma, dtype=torch.float32).reshape(-1, *[1] * (x.ndim - 1))
        d = torch.zeros_like(x)
        inside = window_of(x.shape[1:], self.window)
        d[inside] = x[inside] * (0.5 / (0.5 + sigma**2))
        return self.fault(x, d)

    def fault(self, x, d):
        return d


def writes(x, d):
    with torch.no_grad():
        x[:, 0] = 0
    return d


PRIORS = {
    "complex in, complex out": [
        lambda x, d: d.real,
        lambda x, d: d[:, 1:],
        lambda x, d: d * math.nan,
        lambda x, d: d.to(torch.complex128),
    ],
    "zero outside the window": [lambda x, d: d + 1e-3 * x],
    "near identity at little noise": [lambda x, d: d * 0.5],
    "lowers the noise": [lambda x, d: d + 3 * (x - d) * (d != 0) * (x.abs().max() > 6)],
    "objects one by one": [lambda x, d: d - 0.01 * d.mean(0, keepdim=True)],
    "deterministic": [
        lambda x, d: d * (1 + 1e-3 * torch.rand(1)),
        lambda x, d: d * (1 + 1e-3 * np.random.default_rng().random()),
    ],
    "leaves its input alone": [writes],
    "gradients pass": [lambda x, d: d.detach()],
}


@pytest.mark.parametrize(("check", "fault"), [(check, fault) for check, faults in PRIORS.items() for fault in faults])
def test_priors(check, fault):
    kind = type("Faulty", (White,), {"fault": staticmethod(fault)})
    found = failing(kind())
    assert check in found
    assert set(found) <= {check, "gradients pass", "objects one by one"}


def test_the_sound_prior_and_one_of_no_window():
    assert failing(White()) == failing(White) == []
    assert failing(type("NoWindow", (White,), {"window": [24, 20]})()) == ["window"]


class NoSupport(White):
    def denoise(self, x, sigma):
        return super().denoise(x, sigma)


def test_a_prior_that_takes_no_support():
    assert "complex in, complex out" in failing(NoSupport())


# metrics -----------------------------------------------------------------------------------------

GOOD = Metric("acme", lambda x, t, m: min(1.0, np.linalg.norm(x - t) / np.linalg.norm(t)), "f", (0, 1), "lower", "acme", "truth")


def spoiled(x, t, m):
    value = min(1.0, np.linalg.norm(x - t) / np.linalg.norm(t))
    x *= 2
    return value


METRICS = {
    "name, formula and source": {"formula": " "},
    "a number in its range": {"range": (0.2, 1)},
    "perfect on the truth": {"range": (-1, 1)},
    "worse with noise": {"direction": "higher", "range": (-1, math.inf)},
    "blind to phase, place and twin": {
        "needs": "data",
        "function": lambda x, p: float(np.linalg.norm(x - x.conj()) + p.r_factor(x[None])[0]),
        "range": (0, math.inf),
    },
    "repeats, and leaves its arguments alone": {"function": spoiled},
}


def test_the_sound_metric():
    assert failing(GOOD) == []


@pytest.mark.parametrize("check", METRICS)
def test_metrics(check):
    assert check in failing(dataclasses.replace(GOOD, **METRICS[check]))


# readers -----------------------------------------------------------------------------------------

HEAD = b"ACME"


def write(path, intensity):
    path.write_bytes(HEAD + np.array(intensity.shape, "<i4").tobytes() + intensity.astype("<f4").tobytes())


def read(path, key):
    content = path.read_bytes()
    shape = tuple(np.frombuffer(content[4:12], "<i4"))
    data = np.frombuffer(content[12:], "<f4")
    if data.size != math.prod(shape):
        raise InputError("short")
    return RawFile(data.reshape(shape), path.stem)


def read_what_is_left(path, key):
    content = path.read_bytes()
    return RawFile(np.frombuffer(content[12 : len(content) // 4 * 4].ljust(1920, b"\0"), "<f4").reshape(20, 24), path.stem)


SOUND = Reader("acme", (".acme",), read, lambda head, path: head.startswith(HEAD), write)
READERS = {
    "name and suffixes": {"suffixes": ("ACME",)},
    "recognises its own files": {"sniff": lambda head, path: False, "suffixes": ()},
    "refuses other files": {"sniff": lambda head, path: True},
    "reads what was written": {"target": lambda path, key: np.zeros((20, 24))},
    "refuses truncated files": {"target": read_what_is_left},
}


def test_the_sound_reader_and_one_without_a_sample():
    assert failing(SOUND) == []
    reasons = skipped(dataclasses.replace(SOUND, sample=None))
    assert "reads what was written" in reasons
    assert all("it has no sample; give Reader(…, sample=function)" in reason for reason in reasons.values())


@pytest.mark.parametrize("check", READERS)
def test_readers(check):
    assert failing(dataclasses.replace(SOUND, **READERS[check])) == [check]


def test_a_wrong_sample_is_seen():
    twice = dataclasses.replace(SOUND, sample=lambda path, a: write(path, 2 * a))
    assert failing(twice) == ["reads what was written"]
    turned = dataclasses.replace(SOUND, sample=lambda path, a: write(path, a.T))
    assert failing(turned) == ["reads what was written"]
