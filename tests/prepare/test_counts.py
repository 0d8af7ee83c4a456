import numpy as np
import pytest
import scipy.fft
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.errors import InputError
from retrieve.operators import Binning
from retrieve.prepare import Counts, bin_counts, fast_size, place_in


def test_a_window_has_its_pixel_in_the_middle_and_is_not_measured_outside():
    values = np.arange(1, 31, dtype=np.float32).reshape(5, 6)
    made = place_in(Counts(values, values != 9), (1, 4), (4, 8))
    assert made.values[2, 4] == values[1, 4]
    assert made.valid.sum() == 3 * 6 - 1  # rows 0 to 2, all columns, less one
    assert not made.valid[0].any()
    assert not made.valid[:, 6:].any()
    assert made.values[~made.valid & (made.values != 9)].sum() == 0


def test_bins_keep_counts(rng):
    values = rng.poisson(5, (8, 6, 4)).astype(np.float32)
    made = bin_counts(Counts(values, np.ones(values.shape, bool)), (2, 3, 1))
    assert made.values.shape == (4, 2, 4)
    assert made.values.sum() == values.sum()
    assert made.valid.all()
    operator = Binning((8, 8), 2)
    flat = rng.poisson(5, (8, 8)).astype(np.float32)
    expected = np.fft.fftshift(operator.forward(np.fft.ifftshift(flat)[None])[0])
    assert_array_equal(bin_counts(Counts(flat, flat >= 0), (2, 2)).values, expected)  # the operator that models it


def test_a_bin_is_scaled_by_its_measured_share_and_never_takes_a_missing_pixel_for_zero(rng):
    values = np.full((40, 40), 7.0, np.float32)
    valid = rng.random(values.shape) > 0.4
    values[~valid] = 1e6  # whatever stands there
    made = bin_counts(Counts(values, valid), (2, 2))
    share = valid.reshape(20, 2, 20, 2).mean(axis=(1, 3))
    assert_array_equal(made.valid, share >= 0.5)
    assert_allclose(made.values[made.valid], 28)
    assert (made.values[~made.valid] == 0).all()


def test_bins_that_do_not_divide():
    with pytest.raises(InputError, match=r"binning by \(2, 2\) does not divide the shape \(4, 5\)"):
        bin_counts(Counts(np.ones((4, 5), np.float32), np.ones((4, 5), bool)), (2, 2))


@pytest.mark.parametrize(("n", "factor"), [(1, 1), (61, 1), (204, 1), (257, 2), (127, 3)])
def test_quick_sizes(n, factor):
    made = fast_size(n, factor)
    assert made >= n
    assert made % (2 * factor) == 0
    assert scipy.fft.next_fast_len(made // factor) == made // factor
