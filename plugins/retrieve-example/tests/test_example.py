"""The plugin, as installed beside `retrieve`."""

import numpy as np
import pytest

import retrieve as rt
from retrieve.numerics.alignment import align
from retrieve.plugins.registry import find, registered
from retrieve.simulate import blobs, measure
from retrieve.testing import parametrize_with_checks

DRAP = pytest.importorskip("retrieve_example.drap", reason="not installed: pip install plugins/retrieve-example").DRAP
WRITER = pytest.importorskip("retrieve_example.arrays").WRITER
PANEL = pytest.importorskip("retrieve_example.pace").PANEL


@parametrize_with_checks([DRAP(iterations=20), WRITER, PANEL])
def test_it_conforms(check):
    check()


def test_it_is_found_through_its_entry_point():
    assert find("solvers", "drap") is DRAP
    assert "retrieve-example" in registered("solvers")["drap"][1]


def test_the_panel_shows_results_of_drap_alone():
    assert PANEL.contents(rt.solve("er:iterations=3", rt.example("crystal2d"), starts=1, verdict=False)) == []
    kinds = [kind for kind, _ in PANEL.contents(PANEL.sample())]
    assert kinds == ["chart", "table"]


def test_a_result_as_plain_arrays(tmp_path):
    result = rt.solve(DRAP(iterations=3), rt.example("crystal2d"), starts=2, verdict=False)
    with np.load(result.save(tmp_path / "a.npz")) as file:
        assert set(file) == {"object", "support", "starts", "r", "intensity", "mask"}
        np.testing.assert_array_equal(file["starts"], result.estimates)
        assert np.unravel_index(file["intensity"].argmax(), file["intensity"].shape) == tuple(n // 2 for n in result.object.shape)


def test_it_solves_a_known_object():
    x, support = blobs((32, 32), seed=1, fill=0.06)
    problem = rt.Problem.from_arrays(intensity=measure(x), support=support)
    result = rt.solve(DRAP(iterations=400, strength=0.6), problem, starts=4)
    assert align(result.object, x).correlation > 0.99


def test_without_strength_it_is_error_reduction():
    problem = rt.example("crystal2d")
    one, other = (rt.solve(solver, problem) for solver in (DRAP(iterations=20, strength=0), rt.solvers.ER(iterations=20)))
    np.testing.assert_allclose(one.object, other.object, atol=1e-3)


class Written(DRAP):
    """The same algorithm by its formula, as any update may be written."""

    def update(self, x, m, project, problem, t):
        return project((1 + self.strength) * m - self.strength * x) - self.strength * (m - x)


def test_the_coefficients_are_the_formula():
    """Declared, they run as one compiled pass; written out, the formula runs as it is, and gives the same."""
    problem = rt.example("crystal2d")
    assert DRAP().compiled() is not None
    assert Written().compiled() is None
    one, other = (rt.solve(kind(iterations=10), problem) for kind in (DRAP, Written))
    np.testing.assert_allclose(one.object, other.object, atol=1e-3 * np.abs(other.object).max())


def test_its_options_are_checked():
    with pytest.raises(rt.OptionError, match="strength"):
        DRAP(strength=2)
