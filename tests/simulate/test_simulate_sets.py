import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

from retrieve.errors import InputError, OptionError
from retrieve.plugins.options import options_of, values_of
from retrieve.simulate import TEST_SEED, TRAIN_SEED, TUNE_SEED, Crystals, Domains2D, Domains3D, Noise, object_set, set_names
from retrieve.simulate.crystal_frames import CrystalFrames

SMALL = [
    Domains2D(size=32, domains=12),
    Domains2D(size=32, domains=12, vary=True),
    Domains2D(size=33, kind="cells", stretch=True),
    Domains2D(size=64, kind="blobs"),
    Domains3D(size=16),
    Domains3D(size=16, preset="literal"),
    Crystals(size=32),
    Crystals(size=16, dimensions=3, strong=True),
    CrystalFrames(size=32),
]


@pytest.mark.parametrize("chosen", SMALL, ids=str)
def test_an_object_is_the_same_in_any_batch(chosen, monkeypatch):
    x, support = chosen.objects(7, seed=5)
    assert x.dtype == np.complex64
    assert x.shape == support.shape == (7, *chosen.shape)
    assert not np.any(x[~support])
    for first, count in ((0, 1), (3, 4), (6, 1)):
        part, its = chosen.objects(count, seed=5, first=first)
        assert_array_equal(part, x[first : first + count])
        assert_array_equal(its, support[first : first + count])
    monkeypatch.setattr("retrieve.simulate.base.CHUNK_PIXELS", 3 * x[0].size)
    assert_array_equal(chosen.objects(7, seed=5)[0], x)
    assert len({one.tobytes() for one in x}) == 7
    assert not np.array_equal(chosen.objects(1, seed=6)[0], x[:1])


def test_both_kinds_come_in_turn():
    both = Domains2D(size=32).objects(5, seed=1, first=3)[0]
    for kind, part in (("cells", slice(0, None, 2)), ("blobs", slice(1, None, 2))):  # number 3, the first, is odd
        assert_array_equal(both[part], Domains2D(size=32, kind=kind).objects(5, seed=1, first=3)[0][part])


@pytest.mark.parametrize("number", [10, 25, 50])
def test_cells_are_so_many_flat_domains_under_the_beam(number):
    x, support = Domains2D(kind="cells", domains=number).objects(20, seed=0)
    pieces = []
    for one, inside in zip(x, support, strict=True):
        phases = np.unique(np.angle(one[inside]).round(4))
        assert 0.9 * number <= len(phases) <= number
        pieces += [ndimage.label(inside & (np.abs(np.angle(one) - p) < 1e-3), np.ones((3, 3)))[1] for p in phases]
    assert 1 <= np.mean(pieces) < 1.05  # a cell is convex, so in one piece, or a sliver on the pixels' grid
    amplitude = np.abs(x[0])
    assert amplitude.max() == amplitude[32, 32] == pytest.approx(1)
    assert amplitude[support[0]].min() == pytest.approx(0.15, abs=0.02)


def test_blobs_are_so_many_gaussians_in_the_ellipse():
    x, support = Domains2D(kind="blobs", domains=1).objects(30, seed=0)
    for one, inside in zip(x, support, strict=True):
        assert inside[np.unravel_index(np.abs(one).argmax(), one.shape)]
        assert np.ptp(np.angle(one[inside] / one[np.abs(one) == np.abs(one).max()][0])) < 1e-5
        assert np.abs(one).max() == pytest.approx(1 / 5, rel=0.02)  # its field's standard deviation is 1
    narrow = np.abs(Domains2D(kind="blobs", domains=4, width=0.1).objects(50, seed=0)[0]) * 0.1
    peaks = [ndimage.label(one > 0.02)[1] for one in narrow]
    assert max(peaks) == 4
    assert np.mean(peaks) > 3.5


@pytest.mark.parametrize(("number", "width"), [(10, 1.0), (50, 1.0), (100, 1.0), (50, 1.5)])
def test_blobs_have_the_strength_that_they_are_divided_by(number, width):
    chosen = Domains2D(kind="blobs", domains=number, width=width)
    x, _ = chosen.objects(1000, seed=3)
    assert np.mean(np.abs(x[:, 29:36, 29:36]) ** 2) == pytest.approx(0.2**2, rel=0.1)
    assert 0.6 < np.abs(x).max() < 1.3


def test_support_is_an_elongated_ellipse_on_the_diagonal_that_is_oversampled_twice():
    support = Domains2D(kind="cells").objects(1, seed=0)[1][0]
    r = np.argwhere(support) - 32
    assert support.mean() == pytest.approx(0.16, rel=0.02)
    lengths, axes = np.linalg.eigh(np.cov(r.T))
    assert np.sqrt(lengths[1] / lengths[0]) == pytest.approx(1.8, rel=0.03)
    assert abs(axes[:, 1] @ [1, 1]) == pytest.approx(np.sqrt(2), abs=0.01)
    assert np.all(np.ptp(r, axis=0) + 1 <= 32)
    turned = Domains2D(kind="cells", orientation=0).objects(1, seed=0)[1][0]
    assert np.ptp(np.argwhere(turned), axis=0) == pytest.approx([38, 20], abs=2)


@pytest.mark.parametrize("size", [32, 65, 128])
def test_any_size_fills_the_same_share(size):
    x, support = Domains2D(size=size, domains=20).objects(2, seed=0)
    assert x.shape == (2, size, size)
    assert support.mean() == pytest.approx(0.16, rel=0.05)


def test_varied_ellipses_spread_over_their_ranges():
    _, support = Domains2D(kind="blobs", domains=5, vary=True).objects(300, seed=0)
    fill = support.mean(axis=(1, 2))
    assert 0.078 < fill.min() < 0.09
    assert 0.23 < fill.max() < 0.242
    ratios, angles = [], []
    for one in support:
        lengths, axes = np.linalg.eigh(np.cov(np.argwhere(one).T))
        ratios.append(np.sqrt(lengths[1] / lengths[0]))
        angles.append(np.arctan2(axes[1, 1], axes[0, 1]) % np.pi)
    assert min(ratios) < 1.1 < 2.4 < max(ratios) < 2.7
    assert np.histogram(angles, bins=4, range=(0, np.pi))[0].min() > 50


def test_stretched_cells_are_longer_along_the_ellipse():
    def turn(stretch):
        x, _ = Domains2D(kind="cells", stretch=stretch).objects(300, seed=0)
        pattern = (np.abs(np.fft.fftshift(np.fft.fft2(x), (1, 2))) ** 2).mean(axis=0)
        along, across = np.diagonal(pattern), np.diagonal(pattern[:, ::-1])
        return across[16:48].sum() / along[16:48].sum()

    assert turn(False) == pytest.approx(1, abs=0.1)
    assert turn(True) > 1.2


@pytest.mark.parametrize(("preset", "fill"), [("literal", 0.45), ("fits", 0.16)])
def test_3d_presets_fill_their_share(preset, fill):
    x, support = Domains3D(preset=preset).objects(20, seed=0)
    assert x.shape == (20, 32, 32, 32)
    assert support.mean() == pytest.approx(fill, abs=0.006)
    assert 0.4 < np.abs(x).max() < 1.2
    wall = np.concatenate([support[0, 0].ravel(), support[0, :, 0].ravel(), support[0, :, :, 0].ravel()])
    assert wall.any() == (preset == "literal")


def test_3d_films_vary_in_size_shape_and_direction():
    x, support = object_set("films3d").objects(240, seed=0)
    assert not np.any(x[~support])
    fill = support.mean(axis=(1, 2, 3))
    assert 0.078 < fill.min() < 0.09
    assert 0.18 < fill.max() < 0.195
    reach = np.stack([np.ptp(np.argwhere(one), axis=0) // 2 for one in support])
    assert reach.max() <= 15
    assert (np.bincount(reach.argmax(axis=1), minlength=3) > 40).all()  # the longest axis may be any
    turned = [np.abs(np.cov(np.argwhere(one).T)[np.triu_indices(3, 1)]).argmax() for one in support]
    assert (np.bincount(turned, minlength=3) > 40).all()  # and so may the plane of the turn


def test_crystals_are_those_of_the_function_and_fill_their_support():
    x, support = Crystals(size=48, fill=0.4, strong=True).objects(3, seed=2)
    assert_array_equal(support, x != 0)
    assert np.abs(x).max() == pytest.approx(1.05, abs=0.05)
    extents = [np.ptp(np.argwhere(one), axis=0).max() + 1 for one in support]
    assert np.all(np.array(extents) <= 0.4 * 48 + 2)


def test_crystals_to_train_on_are_slices_and_frames_in_turn_and_fit_the_window():
    chosen = object_set("crystals2d")
    x, support = chosen.objects(200, seed=3)
    assert not np.any(x[~support])
    assert_array_equal(np.abs(x).max(axis=(1, 2)), pytest.approx(1, abs=1e-5))
    reach = np.abs(np.argwhere(support)[:, 1:] - 32).max()
    assert 20 <= reach <= 23  # within 48 px, twin included
    rough = [np.abs(np.diff(np.abs(one), axis=0)).sum() / np.abs(one).sum() for one in x]
    assert np.median(rough[1::2]) > 1.5 * np.median(rough[::2])  # fringes
    margin = support.sum(axis=(1, 2)) / (x != 0).sum(axis=(1, 2))
    assert (margin == 1).mean() > 0.2
    assert (margin > 1.1).mean() > 0.4
    with pytest.raises(InputError, match=r"smallest=0.8 is above largest=0.62"):
        CrystalFrames(smallest=0.8)


def test_the_phase_around_a_dislocation_of_some_crystals_winds_once():
    """Along the rim of a slice, summed from pixel to pixel."""
    x, _ = CrystalFrames(phase=0.3).objects(80, seed=4)
    angle = 2 * np.pi * np.arange(64) / 64
    rows, columns = np.round(32 + 6 * np.sin(angle)).astype(int), np.round(32 + 6 * np.cos(angle)).astype(int)
    rim = x[::2][:, rows, columns]
    turns = np.angle(rim * np.roll(rim, 1, axis=1).conj()).sum(axis=1) / (2 * np.pi)
    assert 0.1 < np.mean(np.abs(np.round(turns)) == 1) < 0.6


def test_far_field_of_domains_has_an_rms_of_a_tenth_of_its_maximum():
    for kind in ("blobs", "cells"):
        amplitude = np.abs(np.fft.fft2(Domains2D(kind=kind).objects(100, seed=0)[0]))
        ratio = np.sqrt(np.mean(amplitude**2, axis=(1, 2))) / amplitude.max(axis=(1, 2))
        assert 0.07 < ratio.mean() < 0.16


def test_names_make_sets_and_unknown_ones_are_refused():
    assert {"domains2d-50", "domains2d-10-cells", "domains2d-100-blobs", "domains3d-literal", "crystal2d-strong"} <= set(
        set_names()
    )
    assert object_set("domains2d-25-cells") == Domains2D(domains=25, kind="cells")
    assert object_set("crystal3d").shape == (64, 64, 64)
    for name in set_names():
        assert dataclasses.replace(object_set(name), size=16).objects(1, seed=0)[0].any()
    with pytest.raises(InputError, match=r"unknown set 'domain2d-50'; did you mean domains2d-50"):
        object_set("domain2d-50")


def test_options_of_sets_and_noise_have_names_of_their_own():
    noise = {option.name for option in options_of(Noise)}
    for chosen in (Domains2D, Domains3D, Crystals):
        assert not noise & {option.name for option in options_of(chosen)}


@pytest.mark.parametrize(
    ("name", "middle", "power"),
    [
        ("domains2d-50-cells", -0.326684 + 0.945134j, 168.791),
        ("domains2d-50-blobs", 0.025497 + 0.296719j, 25.1093),
        ("domains3d-fits", 0.060794 - 0.188836j, 170.186),
        ("crystal2d", 1.011978 + 0.163770j, 385.364),
        ("crystals2d", -0.819377 + 0.229242j, 228.331),
    ],
)
def test_named_objects_stay_what_they_are(name, middle, power):
    """Published figures rest on these sets: a change here is a new set and needs a new name."""
    x = object_set(name).objects(1, TEST_SEED, first=3)[0][0]
    assert x[tuple(n // 2 for n in x.shape)] == pytest.approx(middle, abs=1e-5)
    assert np.sum(np.abs(x) ** 2, dtype=float) == pytest.approx(power, rel=1e-5)


def test_seed_ranges_are_apart():
    assert 0 < TRAIN_SEED < TUNE_SEED < TEST_SEED
    assert TUNE_SEED - TRAIN_SEED == TEST_SEED - TUNE_SEED == 1_000_000


def test_errors_name_thing_and_remedy():
    with pytest.raises(InputError, match="count=0"):
        Domains2D().objects(0, seed=0)
    with pytest.raises(InputError, match="seed=-1"):
        Domains2D().objects(1, seed=-1)
    with pytest.raises(OptionError, match="domains=0 is out of range"):
        Domains2D(domains=0)
    with pytest.raises(OptionError, match="one of blobs, cells, both"):
        Domains2D(kind="stripes")
    with pytest.raises(InputError, match=r"aspect=4: the ellipse reaches 33 px from the middle of 64 px; lower"):
        Domains2D(fill=0.4, aspect=4)
    with pytest.raises(InputError, match="varied as asked"):
        Domains2D(fill=0.3, vary=True)


def test_importing_loads_no_network_or_plotting_library():
    code = "import sys; import retrieve.simulate; sys.exit(any(m in sys.modules for m in ('torch', 'sklearn', 'matplotlib')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_values_replay_a_set():
    chosen = object_set("domains2d-10-blobs")
    assert type(chosen)(**values_of(chosen)) == chosen


def test_options_behind_a_name():
    assert object_set("domains2d:domains=30,size=32") == dataclasses.replace(object_set("domains2d"), domains=30, size=32)
    with pytest.raises(OptionError, match="unknown option 'domians' of Domains2D; did you mean domains"):
        object_set("domains2d:domians=3")
    with pytest.raises(OptionError, match="set 'domains2d:size': 'size' has no value"):
        object_set("domains2d:size")
    with pytest.raises(InputError, match="unknown set 'domains2'"):
        object_set("domains2:size=32")
