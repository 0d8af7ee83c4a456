"""The plugin, as installed beside `retrieve`, with denoisers of deepinv that need no download and with one of our own."""

import sys

import numpy as np
import pytest
import torch

import retrieve as rt
from retrieve.cli import main
from retrieve.driver.run_spec import RunSpec
from retrieve.numerics.alignment import align
from retrieve.plugins.registry import find
from retrieve.problem import Problem
from retrieve.problem.likelihood import Gaussian
from retrieve.simulate import blobs, measure
from retrieve.testing import parametrize_with_checks

retrieve_pnp = pytest.importorskip("retrieve_pnp", reason="not installed: pip install plugins/retrieve-pnp")
PlugAndPlay = retrieve_pnp.PlugAndPlay


class Same(torch.nn.Module):
    """A denoiser that keeps what it is given."""

    def forward(self, x, sigma):
        return x


MEDIAN = PlugAndPlay(denoiser="MedianFilter(kernel_size=3)", channels="amplitude-phase", share=0.5, iterations=8)
NETWORK = "DnCNN(in_channels=1, out_channels=1, depth=3, nf=4, pretrained=None)"
SOLVERS = [
    MEDIAN,
    PlugAndPlay(denoiser="TVPrior(n_it_max=5)", iterations=3),
    PlugAndPlay(denoiser=f"{__name__}.Same", iterations=3),
    PlugAndPlay(denoiser=NETWORK, share=0.5, iterations=3),
]


@pytest.fixture(scope="module")
def noisy():
    """Few smooth blobs on 32² under much noise, support known."""
    x, support = blobs((32, 32), seed=2, number=6)
    noise = np.random.default_rng(0).standard_normal((32, 32)) * 0.03
    amplitude = np.sqrt(measure(x))
    amplitude = np.maximum(amplitude + noise * amplitude.max(), 0)
    return Problem.from_arrays(amplitude=amplitude, support=support, truth=x)


@parametrize_with_checks([PlugAndPlay(denoiser="TVDenoiser(n_it_max=5)", iterations=8), MEDIAN])
def test_it_conforms(check):
    check()


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: solver.denoiser.partition("(")[0])
def test_any_denoiser_prior_or_network_runs_and_repeats(solver, noisy):
    one, other = (rt.solve(solver, noisy, starts=1, seed=1) for _ in range(2))
    assert np.isfinite(one.object).all()
    np.testing.assert_array_equal(one.object, other.object)


def test_total_variation_keeps_the_noise_out_of_flat_domains():
    """A disc of two phases under noise of 5 %, from the truth: with the denoiser less is lost than with RAAR alone."""
    r = np.hypot(*np.meshgrid(*[np.arange(32) - 16] * 2, indexing="ij"))
    truth = np.where(r < 7, np.where(np.arange(32) < 17, 1, 1j), 0).astype(np.complex64)
    amplitude = np.sqrt(measure(truth))
    noise = 0.05 * amplitude.max() * np.random.default_rng(0).standard_normal(truth.shape)
    problem = Problem.from_arrays(amplitude=np.maximum(amplitude + noise, 0), support=r < 9, truth=truth)
    alone, denoised = (
        align(rt.solve(solver, problem, starts=1, x0=truth).object, truth, scale=True).correlation
        for solver in (PlugAndPlay(denoiser=f"{__name__}.Same", iterations=60), PlugAndPlay(iterations=60))
    )
    assert 1 - denoised < 0.7 * (1 - alone)


def test_it_is_found_through_its_entry_point():
    assert find("solvers", "pnp") is PlugAndPlay


def test_with_a_denoiser_that_keeps_everything_it_is_raar(noisy):
    """In the first step d = P_S(2m − x)."""
    x = np.random.default_rng(3).standard_normal((1, *noisy.shape)).astype(np.complex64)
    wanted = np.where(noisy.support, 2 * noisy.fit_modulus(x) - x, 0)[0]
    found = rt.solve(PlugAndPlay(denoiser=f"{__name__}.Same", iterations=1), noisy, starts=1, x0=x, hold_out=0).object
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("seen", ["parts", "amplitude_phase"])
def test_a_complex_object_is_denoised_part_by_part(seen):
    x = torch.tensor([[3 + 4j, -1j]], dtype=torch.complex64)
    torch.testing.assert_close(getattr(retrieve_pnp, seen)(lambda image, sigma: 2 * image, x, 0.1), 2 * x)


def test_half_of_what_it_changes_is_taken(noisy):
    """In one step from x with D = 0: d = P_S (2m − x)/2."""
    x = np.random.default_rng(3).standard_normal((1, *noisy.shape)).astype(np.complex64)
    wanted = np.where(noisy.support, noisy.fit_modulus(x) - x / 2, 0)[0]
    solver = PlugAndPlay(denoiser=f"{__name__}.nothing", share=0.5, iterations=1)
    found = rt.solve(solver, noisy, starts=1, x0=x, hold_out=0).object
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


def nothing():
    return lambda image, sigma: 0 * image


@pytest.mark.parametrize(
    ("denoiser", "told"),
    [
        ("NoSuchThing", "unknown denoiser"),
        ("no_such_module.thing", "cannot be imported"),
        ("TVDenoiser(nonsense=3)", "cannot be made"),
        (f"{__name__}.Fussy", "does not take images of shape"),
    ],
)
def test_what_is_no_denoiser_is_refused_before_any_work(denoiser, told, noisy):
    with pytest.raises(rt.InputError, match=told):
        rt.solve(PlugAndPlay(denoiser=denoiser), noisy)


class Fussy(torch.nn.Conv2d):
    """A network of three colours."""

    def __init__(self):
        super().__init__(3, 3, 3)

    def forward(self, x, sigma):
        return super().forward(x)


@pytest.mark.parametrize("text", ["MedianFilter(3)", "kernel_size=3", "a b", "MedianFilter(kernel_size=os)", "3"])
def test_the_text_of_a_denoiser_is_checked(text):
    with pytest.raises(rt.OptionError, match="denoiser"):
        PlugAndPlay(denoiser=text)


def test_a_spec_on_the_command_line_keeps_its_arguments_together():
    from retrieve.plugins.flags import solver_from

    solver = solver_from("pnp:denoiser=DnCNN(depth=3,nf=4),iterations=7", {})
    assert (solver.denoiser, solver.iterations) == ("DnCNN(depth=3,nf=4)", 7)


REFUSED = [
    f"{__name__}.nothing",
    "os.system",
    "DRUNet(in_channels=1,out_channels=1)",
    "DnCNN(in_channels=1, out_channels=1, pretrained='/etc/passwd')",
]


@pytest.mark.parametrize("denoiser", REFUSED)
def test_a_file_chooses_no_code(denoiser):
    """A manifest names a function, or weights to load or download: only the user may."""
    record = RunSpec(PlugAndPlay(iterations=1), starts=1, likelihood=Gaussian()).record()
    assert RunSpec.from_record(record).solver == PlugAndPlay(iterations=1)
    record["options"]["denoiser"] = denoiser
    with pytest.raises(
        rt.OptionError, match="runs code, which a file may not choose; if you trust it, add --solver pnp --denoiser"
    ):
        RunSpec.from_record(record)
    assert RunSpec.from_record(record, named=[denoiser]).solver.denoiser == denoiser


@pytest.mark.parametrize("denoiser", ["TVPrior(n_it_max=5)", "MedianFilter(kernel_size=3)", NETWORK])
def test_a_file_may_choose_a_class_of_deepinv(denoiser):
    record = RunSpec(PlugAndPlay(denoiser=denoiser), starts=1, likelihood=Gaussian()).record()
    assert RunSpec.from_record(record).solver.denoiser == denoiser


def test_a_replay_takes_code_that_the_user_names_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_pnp.py").write_text("print('LOADED')\ndef make():\n    return lambda image, sigma: image\n")
    monkeypatch.syspath_prepend(tmp_path)
    x, support = blobs((32, 32), seed=2, number=6)
    np.savez("scan.npz", intensity=1e3 * measure(x), support=support)
    chosen = ["--solver", "pnp", "--denoiser", "mine_pnp.make"]
    main(["run", "scan.npz", *chosen, "--iterations", "2", "--starts", "1", "--out", "a.cxi", "--no-picture", "-q"])
    del sys.modules["mine_pnp"]
    capsys.readouterr()
    with pytest.raises(SystemExit) as refused:
        main(["run", "--replay", "a.cxi"])
    assert refused.value.code == 2
    told = capsys.readouterr()
    assert "option denoiser='mine_pnp.make' runs code, which a file may not choose" in told.err
    assert "mine_pnp" not in sys.modules
    with pytest.raises(SystemExit) as done:
        main(["run", "--replay", "a.cxi", *chosen])
    assert done.value.code == 0
    assert "identical, bit for bit" in capsys.readouterr().out
