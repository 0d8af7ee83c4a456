"""Each algorithm against its formula written out with P_M, P_S and R = 2P − 1 in plain NumPy."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.solvers import ALGORITHMS, ASR, DM, ER, HIO, HPR, OSS, RAAR, RRR, SF, Constraint, Iterative
from retrieve.solvers.iterative import cut_half

LOW, HIGH = -0.4, 0.9


def nearest(m):
    """The number of phase between LOW and HIGH that is nearest to each m: itself, or its foot on an edge, or zero."""
    near = np.where((np.angle(m) >= LOW) & (np.angle(m) <= HIGH), m, 0)
    for edge in (np.exp(1j * LOW), np.exp(1j * HIGH)):
        foot = np.maximum((m * np.conj(edge)).real, 0) * edge
        near = np.where(np.abs(m - foot) < np.abs(m - near), foot, near)
    return near


class Plain:
    """P_M, P_S, R_M and R_S in NumPy; P_S keeps a support and, if asked, a range of phases."""

    def __init__(self, problem, phases=False):
        self.y, self.valid, self.support = (np.array(a) for a in (problem.amplitude, problem.valid, problem.support))
        self.phases = phases

    def fit(self, x):
        f = np.fft.fft2(x, norm="ortho")
        return np.fft.ifft2(np.where(self.valid, self.y * np.exp(1j * np.angle(f)), f), norm="ortho")

    def keep(self, x):
        return np.where(self.support, nearest(x) if self.phases else x, 0)

    def allows(self, x):
        return self.support & ((np.angle(x) >= LOW) & (np.angle(x) <= HIGH) if self.phases else True)

    def mirror_fit(self, x):
        return 2 * self.fit(x) - x

    def mirror_keep(self, x):
        return 2 * self.keep(x) - x


def hio(p, x, b):
    m = p.fit(x)
    return np.where(p.allows(m), m, x - b * m)


def raar(p, x, b):
    return b / 2 * (p.mirror_keep(p.mirror_fit(x)) + x) + (1 - b) * p.fit(x)


def hpr(p, x, b):
    m = p.fit(x)
    return 0.5 * (p.mirror_keep(p.mirror_fit(x) + (b - 1) * m) + x + (1 - b) * m)


def dm(p, x, b):
    f_m = (1 + 1 / b) * p.fit(x) - x / b
    f_s = (1 - 1 / b) * p.keep(x) + x / b
    return x + b * (p.keep(f_m) - p.fit(f_s))


def rrr(p, x, b):
    return x + b * (p.keep(p.mirror_fit(x)) - p.fit(x))


FORMULAS = {
    "er": (ER, {}, lambda p, x: p.keep(p.fit(x))),
    "sf": (SF, {}, lambda p, x: p.mirror_keep(p.fit(x))),
    "hio": (HIO, {}, lambda p, x: hio(p, x, 0.9)),
    "hio 0.6": (HIO, {"beta": 0.6}, lambda p, x: hio(p, x, 0.6)),
    "raar": (RAAR, {}, lambda p, x: raar(p, x, 0.9)),
    "raar 0.5": (RAAR, {"beta": 0.5}, lambda p, x: raar(p, x, 0.5)),
    "hpr": (HPR, {}, lambda p, x: hpr(p, x, 0.9)),
    "hpr 0.5": (HPR, {"beta": 0.5}, lambda p, x: hpr(p, x, 0.5)),
    "asr": (ASR, {}, lambda p, x: 0.5 * (p.mirror_keep(p.mirror_fit(x)) + x)),
    "dm": (DM, {}, lambda p, x: dm(p, x, 0.9)),
    "dm 1": (DM, {"beta": 1}, lambda p, x: dm(p, x, 1)),
    "dm -0.7": (DM, {"beta": -0.7}, lambda p, x: dm(p, x, -0.7)),
    "rrr": (RRR, {}, lambda p, x: rrr(p, x, 0.5)),
    "rrr 1.5": (RRR, {"beta": 1.5}, lambda p, x: rrr(p, x, 1.5)),
}


@pytest.mark.parametrize("phases", [False, True])
@pytest.mark.parametrize("name", FORMULAS)
def test_the_update_is_the_formula(in_double, name, phases):
    """For six iterations the yielded object is P_M of the iterate, or P_S P_M under a range of phases."""
    kind, options, formula = FORMULAS[name]
    solver = kind(**options, **({"phase_min": LOW, "phase_max": HIGH} if phases else {}))
    plain = Plain(in_double.problem, phases)
    x, changes = in_double.x0, []
    for step in _first(solver, in_double, 6):
        m = plain.fit(x)
        assert_allclose(step.x, plain.keep(m) if phases else m, atol=1e-9)
        assert_array_equal(np.broadcast_to(step.support, x.shape)[0], plain.support)
        before, x = x, formula(plain, x)
        changes.append(np.abs(x - before).max())
    assert min(changes) > 1e-3


def _first(solver, start, count):
    steps = solver.steps(start.problem, start.x0, None)
    return [next(steps) for _ in range(count)]


class WrittenOut(RAAR):
    """RAAR by an update of its own, with a third of the step."""

    def update(self, x, m, project, problem, t):
        return x + (super().update(x, m, project, problem, t) - x) / 3


def test_an_update_of_ones_own_replaces_inherited_coefficients(easy):
    """Also where the compiled pass could run the inherited ones."""
    x = easy.truth[None] + np.float32(0.1)
    m = easy.fit_modulus(x)
    expected = easy.fit_modulus(x + (RAAR().update(x, m, Constraint(easy.support[None]), easy, 0.0) - x) / 3)
    steps = WrittenOut().steps(easy, x, None)
    next(steps)
    assert_allclose(next(steps).x, expected, atol=1e-4)
    assert WrittenOut().compiled() is None
    assert RAAR().compiled() is not None


def test_an_algorithm_without_formula_is_refused(easy):
    class Nothing(Iterative):
        name = "nothing"

    with pytest.raises(NotImplementedError, match="Nothing has neither coefficients nor an update"):
        next(Nothing().steps(easy, easy.truth[None], None))


def test_every_algorithm_has_its_formula_tested():
    assert {kind.name for kind, *_ in FORMULAS.values()} | {"pchio", "oss"} == set(ALGORITHMS)


@pytest.mark.parametrize(
    ("one", "other"), [(RAAR(beta=1), ASR()), (HPR(beta=1), ASR()), (DM(beta=1), RRR(beta=1)), (HIO(beta=1), DM(beta=1))]
)
def test_algorithms_that_coincide(in_double, one, other):
    """At β = 1 all of them are one: Marchesini 2007, table I."""
    for a, b in zip(_first(one, in_double, 8), _first(other, in_double, 8), strict=True):
        assert_allclose(a.x, b.x, atol=1e-9)


def test_betas_matter(in_double):
    for kind in (HIO, RAAR, HPR, DM, RRR, OSS):
        a, b = (_first(kind(beta=beta), in_double, 3)[-1].x for beta in (0.4, 0.8))
        assert np.abs(a - b).max() > 1e-3, kind.name


def test_dm_with_beta_zero_stands_still(in_double):
    steps = _first(DM(beta=0), in_double, 3)
    assert_array_equal(steps[0].x, steps[2].x)


@pytest.mark.parametrize("t", [0.0, 0.35, 0.999])
def test_oss_filters_the_outside(random_complex, easy, t):
    """HIO, then outside the support F⁻¹[F x · exp(−q²/2α²)], α in ten stages from N to 1/N."""
    x, m = random_complex(2, 32, 32), random_complex(2, 32, 32)
    inside = easy.support[None]
    moved = np.where(inside, m, x - 0.9 * m)
    n, stage = 32, math.floor(10 * t)
    alpha = n + (1 / n - n) * stage / 9
    q2 = np.add.outer(np.fft.fftfreq(n, 1 / n) ** 2, np.fft.fftfreq(n, 1 / n) ** 2)
    smooth = np.fft.ifft2(np.fft.fft2(np.where(inside, 0, moved)) * np.exp(-q2 / (2 * alpha**2)))
    expected = np.where(inside, moved, smooth)
    found = OSS().finish(OSS().update(x, m, Constraint(inside), easy, t), inside, t)
    assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - moved).max() > 0.01


# cutting the twin --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "kept"),
    [
        ((8, 6), np.s_[:, 4:]),
        ((6, 9), np.s_[:, :, 4:]),
        ((8, 8), np.s_[:, 4:]),
        ((4, 6, 8), np.s_[:, :, :, 4:]),
    ],
)
def test_half_is_cut_along_the_longest_axis(random_complex, shape, kept):
    x = random_complex(2, *shape)
    cut = cut_half(x)
    assert_array_equal(cut[kept], x[kept])
    assert np.count_nonzero(cut) == x[kept].size
    assert abs(x[kept].size / x.size - 0.5) < 0.06


def test_twin_cut_happens_once_after_its_iteration(in_double):
    plain = Plain(in_double.problem)
    first, second, third, fourth = _first(ER(twin_cut=2), in_double, 4)
    x = plain.keep(plain.fit(in_double.x0))
    assert_allclose(first.x, plain.fit(in_double.x0), atol=1e-9)
    assert_allclose(second.x, plain.fit(x), atol=1e-9)
    x = plain.keep(plain.fit(x))
    uncut = plain.fit(x)
    x[:, : x.shape[1] // 2] = 0
    assert_allclose(third.x, plain.fit(x), atol=1e-9)
    assert np.abs(third.x - uncut).max() > 0.1
    assert_allclose(fourth.x, plain.fit(plain.keep(plain.fit(x))), atol=1e-9)
