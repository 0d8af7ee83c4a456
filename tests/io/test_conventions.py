"""What the numbers of a file are taken for, and where the middle of the pattern is."""

import numpy as np
import pytest

from retrieve.io import load, read
from retrieve.io.conventions import cut_at_edge, find_peak, guess_centred, guess_kind
from retrieve.problem.likelihood import SQUARE_TOLERANCE, whole_numbers
from retrieve.simulate import TUNE_SEED, Noise, object_set

KINDS = [
    ("intensity", 0.5, "intensity", "because of its name"),
    ("entry/I", 0.5, "intensity", "because of its name"),
    ("raw_counts", 0.5, "intensity", "because of its name"),
    ("amplitude", 1, "amplitude", "because of its name"),
    ("sqrtI", 1, "amplitude", "because of its name"),
    ("detector/modulus", 1, "amplitude", "because of its name"),
    ("entry/instrument/detector/data", 0.5, "intensity", "a detector's data"),
    ("scan12", 1, "intensity", "whole numbers"),
    ("scan12", 0.37, "intensity", "--kind amplitude"),
]


@pytest.mark.parametrize(("name", "factor", "kind", "why"), KINDS)
def test_auto_kind(counts, name, factor, kind, why):
    guess, note = guess_kind(name, counts * np.float32(factor))
    assert guess == kind
    assert why in note


def test_root_of_counts_is_amplitude(counts):
    assert guess_kind("scan12", np.sqrt(counts)) == (
        "amplitude",
        "array 'scan12' taken as amplitude because its squares are whole numbers (counts)",
    )


@pytest.mark.parametrize("scale", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("seed", range(5))
def test_whole_numbers_survive_as_amplitudes_and_no_others_are_taken_for_them(scale, seed):
    intensity = scale * np.random.default_rng(seed).exponential(size=(40, 40))
    for values, whole in ((intensity, False), (np.rint(intensity), True), (np.rint(intensity) / 4, False)):
        assert whole_numbers(np.sqrt(values.astype(np.float32)) ** 2, SQUARE_TOLERANCE) == whole
    assert not whole_numbers(np.rint(intensity) * 1e5, SQUARE_TOLERANCE)  # too few values decide


@pytest.mark.parametrize(("asked", "kind"), [("intensity", "intensity"), ("amplitude", "amplitude")])
def test_asked_kind_wins(tmp_path, counts, asked, kind):
    np.savez(tmp_path / "a.npz", counts=counts)
    assert load(tmp_path / "a.npz", kind=asked).kind == kind


CENTRES = [
    ((0, 0), True, "peak at (16, 20): centred"),
    ((1, -2), True, "(1, -2) pixels from the centre"),
    ((-16, -20), False, "zero frequency at index 0"),
    ((7, 0), True, "off-centre by (7, 0) pixels"),
]


@pytest.mark.parametrize(("shift", "centred", "why"), CENTRES)
@pytest.mark.parametrize("hot", [None, (2, 3)])
def test_auto_centred(counts, shift, centred, why, hot):
    data = np.roll(counts, shift, (0, 1))
    if hot:
        data[hot] = 1e9
    guess, note = guess_centred(data, None)
    assert guess is centred
    assert why in note


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("end", ["first", "last"])
def test_a_pattern_cut_by_the_edge_is_padded_around_its_peak(tmp_path, axis, end):
    """A 64² pattern, of which the edge has cut all but ten pixels on one side of the peak: no far side is put in their place."""
    whole = np.fft.fftshift(object_set("crystal2d").problem(0, TUNE_SEED, Noise(photons=1e6, support="unknown")).amplitude) ** 2
    near = slice(22, 64) if end == "first" else slice(0, 43)
    cut = whole[near] if axis == 0 else whole[:, near]
    np.savez(tmp_path / "a.npz", intensity=cut)
    got = load(tmp_path / "a.npz")
    assert got.centred
    assert got.data.shape == (64, 64)
    assert any("near the edge" in note and "not measured" in note for note in got.notes)
    assert int(got.mask.sum()) == cut.size
    assert np.array_equal(got.data[got.mask], whole[got.mask].astype(np.float32))
    assert find_peak(got.data, got.mask) == (32, 32)
    assert not got.data[~got.mask].any()
    assert load(tmp_path / "a.npz", centred="yes").data.shape == cut.shape
    np.savez(tmp_path / "known.npz", intensity=cut, support=np.zeros(cut.shape, bool))
    assert load(tmp_path / "known.npz").data.shape == cut.shape


def test_stacks_and_a_masked_centre_are_not_padded(counts):
    assert cut_at_edge(np.stack([counts, *[0.1 * counts] * 5]).astype(np.float32), None) is None
    off = np.roll(counts, 14, axis=1).astype(np.float32)
    assert cut_at_edge(off, None) == (16, 34)
    mask = np.ones(counts.shape, bool)
    mask[16, 20] = False
    assert cut_at_edge(off, mask) is None


def test_peak_ignores_masked_pixels(counts, mask):
    counts[3, 4:9] = 1e6
    assert find_peak(counts, mask) == (16, 20)


def test_masked_centre_is_said(counts):
    mask = np.ones(counts.shape, bool)
    mask[10:22, 14:26] = False
    centred, note = guess_centred(counts, mask)
    assert centred
    assert "the centre (16, 20) is masked" in note


@pytest.mark.parametrize(("asked", "centred"), [("yes", True), ("no", False)])
def test_asked_centring_wins(tmp_path, counts, asked, centred):
    np.savez(tmp_path / "a.npz", intensity=counts)
    assert load(tmp_path / "a.npz", centred=asked).centred is centred


def test_corner_centred_file_gives_the_same_problem(tmp_path, counts, mask):
    np.savez(tmp_path / "centre.npz", intensity=counts, mask=mask)
    np.savez(tmp_path / "corner.npz", intensity=np.fft.ifftshift(counts), mask=np.fft.ifftshift(mask))
    centre, corner = read(tmp_path / "centre.npz"), read(tmp_path / "corner.npz")
    np.testing.assert_array_equal(centre.amplitude, corner.amplitude)
    np.testing.assert_array_equal(centre.valid, corner.valid)


def test_a_pattern_without_a_peak_is_not_taken_for_one_cut_by_the_edge():
    even = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    even[3, 20] = even[3, 21] = 1.5
    assert find_peak(even, None) in {(3, 20), (3, 21)}
    assert cut_at_edge(even, None) is None
