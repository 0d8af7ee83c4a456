import numpy as np
import pytest

from retrieve.numerics.phase import phase_of, without_ramp


def blob(shape, turn):
    grid = np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij")
    inside = sum((g / 6) ** 2 for g in grid) < 1
    bend = 0.3 * np.cos(grid[0] / 4)
    return inside * np.exp(1j * (bend + turn[0] + sum(t * g for t, g in zip(turn[1:], grid, strict=True)))), inside, bend


@pytest.mark.parametrize(("shape", "turn"), [((32, 30), (2.0, 0.4, -0.3)), ((24, 26, 28), (-3.0, 0.5, 0.2, -0.4))])
def test_ramp_and_offset_go_and_the_outside_is_nan(shape, turn):
    x, inside, bend = blob(shape, turn)
    phase = phase_of(without_ramp(x.astype(np.complex64)))
    assert np.array_equal(np.isfinite(phase), inside)
    assert np.ptp(phase[inside]) < 0.5  # that of the bend; the ramp spans several turns
    assert np.std(phase[inside] - bend[inside]) < 0.05
