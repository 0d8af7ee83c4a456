"""Small cases to compare solvers on, and comparisons without their times."""

from retrieve.evaluate.compare import CompareCase
from retrieve.evaluate.tables import to_dict
from retrieve.problem import Problem
from retrieve.simulate import blobs, measure


def cases(count=2):
    for number in range(count):
        x, support = blobs((32, 32), seed=number, number=8)
        yield CompareCase("blobs", 0.0, number, Problem.from_arrays(intensity=measure(x), support=support, truth=x))


def timeless(comparison):
    return {name: value for name, value in to_dict(comparison).items() if name != "times"}
