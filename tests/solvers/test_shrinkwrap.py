import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from retrieve.errors import OptionError
from retrieve.numerics.arrays import find_device, to_numpy
from retrieve.simulate import blobs
from retrieve.solvers import ER, ShrinkWrap
from retrieve.solvers.shrinkwrap import blur

SHAPE = (40, 36)
ALL = np.ones((1, *SHAPE), bool)


@pytest.fixture
def x():
    """Two objects, the second half as large, with phases."""
    return np.stack([blobs(SHAPE, seed=0, fill=0.15)[0], blobs(SHAPE, seed=1, fill=0.08)[0]])


def smooth(x, sigma):
    return np.stack([ndimage.gaussian_filter(np.abs(one).astype(float), sigma, mode="wrap", truncate=8) for one in x])


@pytest.mark.parametrize("shape", [(40, 36), (17, 20), (9, 12, 11)])
@pytest.mark.parametrize("sigma", [1.5, 3.0])
def test_blur_is_a_periodic_gaussian(rng, shape, sigma):
    a = rng.random((2, *shape)).astype(np.float32)
    expected = [ndimage.gaussian_filter(one.astype(float), sigma, mode="wrap", truncate=8) for one in a]
    assert_allclose(blur(a, sigma), expected, atol=2e-3)
    assert_array_equal(blur(a, 0), a)


@pytest.mark.parametrize("threshold", [0.1, 0.3])
def test_threshold_relative_to_the_maximum(x, threshold):
    new = ShrinkWrap(sigma=2.0, threshold=threshold).update(x, ALL, 0.0)
    a = smooth(x, 2.0)
    assert new.dtype == bool
    assert (new != (a > threshold * a.max(axis=(1, 2), keepdims=True))).mean() < 2e-3
    assert 0.01 < new.mean() < 0.5


def test_threshold_relative_to_the_rms_inside_the_support(x):
    support = np.zeros_like(ALL)
    support[:, 18:24, 15:21] = True
    new = ShrinkWrap(sigma=1.5, threshold=0.4, reference="rms").update(x, support, 0.0)
    a = smooth(x, 1.5)
    rms = np.sqrt(np.mean(a[:, 18:24, 15:21] ** 2, axis=(1, 2)))[:, None, None]
    assert (new != (a > 0.4 * rms)).mean() < 2e-3
    assert (new != ShrinkWrap(sigma=1.5, threshold=0.4, reference="rms").update(x, ALL, 0.0)).any()


@pytest.mark.parametrize(
    ("start", "end", "t", "sigma"),
    [(3.0, 1.0, 0, 3.0), (3.0, 1.0, 1, 1.0), (4.0, 1.0, 0.5, 2.0), (3.0, 0, 0.5, 1.5), (3.0, 0, 1, 0), (0, 1.0, 0.5, 0)],
)
def test_sigma_falls_over_the_run(x, start, end, t, sigma):
    new = ShrinkWrap(sigma=start, sigma_end=end).update(x, ALL, t)
    assert_array_equal(new, ShrinkWrap(sigma=sigma, sigma_end=sigma).update(x, ALL, 0))


@pytest.mark.parametrize(
    ("start", "t", "share"), [(None, 0.0, 0.1), (0.4, 0.0, 0.4), (0.4, 0.25, 0.2), (0.4, 0.5, 0.1), (0.4, 1.0, 0.1)]
)
def test_an_area_is_reached_halfway(x, start, t, share):
    new = ShrinkWrap(area=0.1, area_start=start).update(x, ALL, t)
    assert_allclose(new.mean(axis=(1, 2)), share, atol=1.5 / ALL.size)
    a = blur(np.abs(x), 2.0 * 0.5**t)
    for inside, one in zip(new, a, strict=True):
        assert one[inside].min() > one[~inside].max()


@pytest.mark.parametrize("was", [100, 900])
@pytest.mark.parametrize("limit", [0.05, 0.2])
def test_the_change_of_one_update_is_limited(x, was, limit):
    support = np.zeros(ALL.size, bool)
    support[:was] = True
    free = ShrinkWrap().update(x, support.reshape(ALL.shape), 0)
    new = ShrinkWrap(limit=limit).update(x, support.reshape(ALL.shape), 0)
    for now, wanted in zip(new.sum(axis=(1, 2)), free.sum(axis=(1, 2)), strict=True):
        assert now == pytest.approx(np.clip(wanted, was * (1 - limit), was * (1 + limit)), abs=1.01)
    assert (new.sum(axis=(1, 2)) != free.sum(axis=(1, 2))).any()


def test_parts_and_holes():
    x = np.zeros((1, 40, 36), np.complex64)
    x[0, 4:20, 4:20] = 1
    x[0, 9:14, 9:14] = 0
    x[0, 26:34, 5:12] = 1
    x[0, 25:28, 28:31] = 1
    sharp = {"sigma": 0.0, "sigma_end": 0.0, "threshold": 0.5}

    def count(**more):
        new = ShrinkWrap(**sharp, **more).update(x, ALL, 0)
        return ndimage.label(new[0])[1], int(new.sum())

    big, middle, little, hole = 16 * 16 - 25, 8 * 7, 9, 25
    assert count() == (3, big + middle + little)
    assert count(parts=2) == (2, big + middle)
    assert count(parts=1) == (1, big)
    assert count(parts=9) == (3, big + middle + little)
    assert count(fill=True) == (3, big + middle + little + hole)
    assert count(parts=1, fill=True) == (1, big + hole)


VARIANTS = [
    ShrinkWrap(),
    ShrinkWrap(reference="rms", threshold=0.3),
    ShrinkWrap(area=0.1, area_start=0.3),
    ShrinkWrap(limit=0.05, parts=1, fill=True),
]


@pytest.mark.parametrize("wrap", VARIANTS)
def test_a_batch_equals_one_by_one(x, wrap):
    support = np.abs(x) > 0.2
    both = wrap.update(x, support, 0.2)
    for k in range(2):
        assert_array_equal(both[k], wrap.update(x[k : k + 1], support[k : k + 1], 0.2)[0])


@pytest.mark.parametrize("wrap", VARIANTS)
@pytest.mark.parametrize("device", ["strict", "torch"])
def test_other_libraries_find_the_same_support(x, wrap, device):
    where = find_device(device)
    support = np.abs(x) > 0.2
    there = to_numpy(wrap.update(where.put(x), where.put(support), 0.2))
    assert (there != wrap.update(x, support, 0.2)).sum() <= 2  # a pixel on the threshold


@pytest.mark.parametrize("when", ["auto", "always", "never"])
@pytest.mark.parametrize("known", [True, False])
def test_when_the_support_is_updated(hard, when, known):
    problem = hard if known else hard.replace(support=None)
    solver = ER(iterations=9, shrink_wrap=ShrinkWrap(when=when, every=3))
    supports = [step.support for step in solver.steps(problem, hard.truth[None] + 0.01, None)]
    changed = [k for k in range(1, 9) if (supports[k] != supports[k - 1]).any()]
    wraps = when == "always" or (when == "auto" and not known)
    assert set(changed) <= ({2, 5, 8} if wraps else set())
    assert bool(changed) is wraps
    if known and not wraps:
        assert_array_equal(supports[-1][0], hard.support)


def test_shrink_wrap_finds_the_support(hard):
    """From the true object under a support far too wide, what remains is the object."""
    solver = ER(iterations=30, shrink_wrap=ShrinkWrap(when="always", every=5, threshold=0.08))
    wide = hard.replace(support=ndimage.binary_dilation(hard.support, iterations=5))
    last = list(solver.steps(wide, hard.truth[None], None))[-1].support[0]
    assert last.sum() < 0.8 * wide.support.sum()
    assert (last & hard.support).sum() > 0.85 * (np.abs(hard.truth) > 0.08 * np.abs(hard.truth).max()).sum()


@pytest.mark.parametrize("bad", [{"threshold": 0}, {"threshold": 1}, {"area": 0.6}, {"every": 0}, {"when": "now"}, {"parts": 0}])
def test_out_of_range(bad):
    with pytest.raises(OptionError, match=next(iter(bad))):
        ShrinkWrap(**bad)
