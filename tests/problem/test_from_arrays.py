"""Problems made from arrays: conventions, and refusals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.errors import InputError
from retrieve.problem import Problem
from retrieve.problem.likelihood import Gaussian

SHAPE = (12, 10)
GOOD = np.random.default_rng(3).random(SHAPE) + 0.1
INSIDE = np.zeros(SHAPE, bool)
INSIDE[4:8, 3:7] = True


def test_centred_data_come_to_index_0_and_the_object_stays():
    mask = np.ones(SHAPE, bool)
    mask[6, 6] = False
    problem = Problem.from_arrays(intensity=GOOD, mask=mask, support=INSIDE, truth=INSIDE * (1 + 1j), meta={"a": 1})
    assert problem.amplitude[0, 0] == np.sqrt(GOOD[6, 5]).astype(np.float32)
    assert_array_equal(np.argwhere(~problem.valid), [[0, 1]])
    assert problem.amplitude[0, 1] == 0
    assert_array_equal(problem.support, INSIDE)
    assert_array_equal(problem.truth, INSIDE * (1 + 1j))
    assert (problem.amplitude.dtype, problem.valid.dtype, problem.truth.dtype) == (np.float32, bool, np.complex64)
    assert problem.shape == SHAPE
    assert problem.likelihood == Gaussian()
    assert problem.meta == {"a": 1}


def test_data_with_zero_frequency_first_stay_as_they_are():
    problem = Problem.from_arrays(intensity=GOOD, mask=GOOD > 0.2, centred=False)
    assert_array_equal(problem.amplitude, np.where(GOOD > 0.2, np.sqrt(GOOD.astype(np.float32)), 0))
    assert_array_equal(problem.valid, GOOD > 0.2)


@pytest.mark.parametrize("shape", [(8, 9), (5, 7), (4, 5, 6)])
def test_the_centre_comes_to_index_0_whatever_the_parity(shape):
    data, mask = np.ones(shape), np.ones(shape, bool)
    centre = tuple(n // 2 for n in shape)
    data[centre], mask[(centre[0] + 1, *centre[1:])] = 9, False
    problem = Problem.from_arrays(intensity=data, mask=mask)
    assert_array_equal(np.argwhere(problem.amplitude == 3), [[0] * len(shape)])
    assert_array_equal(np.argwhere(~problem.valid), [[1] + [0] * (len(shape) - 1)])


def test_amplitude_is_the_root_of_intensity():
    one, other = Problem.from_arrays(intensity=GOOD**2), Problem.from_arrays(amplitude=GOOD)
    assert_allclose(one.amplitude, other.amplitude, rtol=1e-6)


def test_the_pattern_of_the_truth_is_the_amplitude(hard):
    assert_allclose(np.sqrt(hard.intensity(hard.truth[None])[0])[hard.valid], hard.amplitude[hard.valid], rtol=1e-3, atol=1e-3)
    assert hard.r_factor(hard.truth[None])[0] < 1e-9


def bad(value, place=(2, 3)):
    data = GOOD.copy()
    data[place] = value
    return data


REFUSED = {
    "nothing": ({}, "either intensity= or amplitude="),
    "both": ({"intensity": GOOD, "amplitude": GOOD}, "either intensity= or amplitude="),
    "complex": ({"intensity": GOOD + 1j}, r"intensity is complex.*\|F\|²"),
    "text": ({"amplitude": np.full(SHAPE, "a")}, "amplitude is <U1.*real"),
    "1D": ({"intensity": GOOD.ravel()}, r"shape \(120,\); two or three axes"),
    "4D": ({"intensity": GOOD.reshape(4, 5, 6, 1)}, r"shape \(4, 5, 6, 1\)"),
    "thin": ({"intensity": GOOD.reshape(40, 3)}, r"shape \(40, 3\).*at least 4 pixels"),
    "mask of another shape": ({"intensity": GOOD, "mask": GOOD[1:]}, r"mask has shape \(11, 10\), the data \(12, 10\)"),
    "support of another shape": ({"intensity": GOOD, "support": INSIDE.T}, r"support has shape \(10, 12\)"),
    "truth of another shape": ({"intensity": GOOD, "truth": GOOD[0]}, r"truth has shape \(10,\)"),
    "NaN": ({"intensity": bad(np.nan)}, "has 1 NaN or infinite values.*--bad-pixels mask"),
    "infinite": ({"amplitude": bad(np.inf)}, "amplitude has 1 NaN or infinite values"),
    "negative": ({"intensity": bad(-3.0)}, "has 1 negative values"),
    "all zero": ({"intensity": 0 * GOOD}, "zero on all 120 measured pixels"),
    "nothing measured": ({"intensity": GOOD, "mask": np.zeros(SHAPE)}, "zero on all 0 measured pixels"),
    "all bad": ({"intensity": -GOOD, "bad_pixels": "mask"}, "zero on all 0 measured pixels"),
    "empty support": ({"intensity": GOOD, "support": 0 * GOOD}, "support fills 0.0%"),
    "wide support": ({"intensity": GOOD, "support": np.arange(120).reshape(SHAPE) > 58}, "support fills 50.8%.*at most 50 %"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    given, words = REFUSED[case]
    with pytest.raises(InputError, match=words) as error:
        Problem.from_arrays(**given)
    assert "\n" not in str(error.value)


def test_bad_pixels_can_be_masked():
    data = bad(np.nan)
    data[0, 0], data[1, 1] = -1, np.inf
    problem = Problem.from_arrays(intensity=data, bad_pixels="mask", centred=False)
    assert_array_equal(np.argwhere(~problem.valid), [[0, 0], [1, 1], [2, 3]])
    assert np.isfinite(problem.amplitude).all()


def test_bad_values_on_masked_pixels_are_no_error():
    problem = Problem.from_arrays(intensity=bad(np.nan), mask=np.isfinite(bad(np.nan)), centred=False)
    assert problem.amplitude[2, 3] == 0
