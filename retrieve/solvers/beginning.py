"""The support to begin with: the known one, a guess from the pattern, or that of an earlier object."""

from __future__ import annotations

from ..numerics.arrays import Array, like, namespace
from ..problem import Problem
from ..problem.autocorrelation import ellipsoid


def first_support(problem: Problem, x: Array) -> tuple[Array, bool]:
    """Return a support to begin with, and whether it is a guess.

    Parameters
    ----------
    problem : Problem
        Its support is taken if known. Otherwise an ellipsoid is taken from the autocorrelation.
    x : Array
        The start (batch, *shape), whose library and device the support gets.

    Returns
    -------
    support : Array
        The support, bool (1, *shape).
    guess : bool
        True if the problem has no support.
    """
    if problem.support is not None:
        return problem.support[None, ...], False
    return like(ellipsoid(problem.shape, problem.extent), namespace(x).real(x))[None, ...], True


def begun_support(problem: Problem, x: Array) -> tuple[Array, bool]:
    """Return the support to begin with from given starts, and whether these are earlier objects.

    An earlier object is zero on half of the array or more. It begins within the rest, unless the problem has a support. Any
    other start begins within the support of `first_support`.

    Parameters
    ----------
    problem : Problem
        The problem.
    x : Array
        The starts (batch, *shape).

    Returns
    -------
    support : Array
        bool (batch or 1, *shape).
    earlier : bool
        True if all starts are earlier objects.
    """
    support, guess = first_support(problem, x)
    xp = namespace(x)
    inside = x != 0
    share = xp.mean(xp.astype(inside, xp.float32), axis=tuple(range(1, x.ndim)), keepdims=True)
    earlier = (share > 0) & (share <= 0.5)
    if guess and bool(xp.any(earlier)):
        support = xp.where(earlier, inside, support)
    return support, bool(xp.all(earlier))
