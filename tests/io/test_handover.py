"""Results of ours in the loaders of silx, cdiutils, PyNX and cohere, and results that these programs write as starting points.

Each test skips without its program. `.ci/run` runs them where the programs are installed. PyNX is a package of Debian, not of
PyPI, where its name belongs to another program.
"""

import os
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

import retrieve as rt
from retrieve.io.result import write_problem
from retrieve.io.starting_point import starting_point
from retrieve.numerics.alignment import align, correlation
from retrieve.simulate import crystal, measure
from retrieve.solvers import HIO, Coherence, Recipe

SHAPE = (24, 28, 20)
META = {"energy_J": 1.6e-15, "detector_distance_m": 1.2, "pixel_size_m": 5.5e-5}


def program(name):
    """The module of another program, or a skip that says what is missing."""
    os.environ.setdefault("PYNX_PU", "cpu")
    return pytest.importorskip(name, exc_type=ImportError)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A noisy Bragg crystal, its file, and two results under the names that cdiutils looks for."""
    folder = tmp_path_factory.mktemp("results")
    truth = crystal(SHAPE, seed=4)
    counts = np.random.default_rng(0).poisson(1e5 * measure(truth)).astype(np.float32)
    problem = rt.Problem.from_arrays(intensity=counts, support=inside(truth), meta=META)
    results = [
        rt.solve(Recipe(recipe="100 raar + 20 er", coherence=Coherence(when="never")), problem, seed=seed, verdict=False)
        for seed in (0, 1)
    ]
    paths = [result.save(folder / f"S1_Run{k:04d}.cxi") for k, result in enumerate(results, start=1)]
    return SimpleNamespace(
        folder=folder,
        truth=truth,
        counts=counts,
        problem=problem,
        results=results,
        paths=paths,
        scan=write_problem(problem, folder / "scan.cxi"),
    )


def inside(x):
    return np.abs(x) > 0.1 * np.abs(x).max()


def same_object(a, b):
    """Equal as they lie: no shift, no twin; phase and scale are free."""
    assert correlation(a.astype(np.complex64), b.astype(np.complex64)) > 0.9999


# without any other program -----------------------------------------------------------------------


def test_a_result_has_what_other_programs_look_for(made):
    with h5py.File(made.paths[0]) as file:
        entry = file["entry_last"]
        assert entry == file["entry_1"]
        assert "instrument_1/detector_1/data" not in entry  # PyNX takes a file with it for a measurement
        assert np.array_equal(entry["image_1/support"][()] > 0, made.results[0].support)
        assert entry["data_1/data"] == entry["image_1/data"]
        found = entry["image_1/process_1/results"]
        assert found["nb_point_support"][()] == made.results[0].support.sum()
        assert found["llk_poisson"][()] > 0
        assert found["free_llk_poisson"][()] > 0
    with h5py.File(made.scan) as file:
        assert file["entry_1/instrument_1/detector_1/data"].shape == SHAPE


def test_log_likelihoods_are_those_of_counts_of_the_model(made):
    """At the truth both are near 1: they are deviances per pixel. For a Poisson likelihood of s counts a unit, too."""
    bright = rt.Problem.from_arrays(intensity=made.counts, meta=META)
    x = (made.truth * np.sqrt(np.float32(1e5))).astype(np.complex64)
    for problem, y in ((bright, x), (scaled(made.counts), x / 2)):
        result = rt.solve(HIO(iterations=1), problem, seed=0, verdict=False)
        path = replace(result, object=y).save(made.folder / "truth.cxi")
        with h5py.File(path) as file:
            found = file["entry_1/image_1/process_1/results"]
            assert 0.5 < found["free_llk_poisson"][()] < 1.3
            assert 0.5 < found["llk_poisson"][()] < 1.5


def scaled(counts):
    return rt.Problem.from_arrays(intensity=counts / 4, likelihood=rt.Poisson(4.0))


def test_a_result_without_a_support_gets_one_that_is_no_start(made, tmp_path):
    free = replace(made.results[0], supports=None)
    path = free.save(tmp_path / "free.cxi")
    with h5py.File(path) as file:
        assert np.array_equal(file["entry_1/image_1/support"][()] > 0, inside(free.object))
    assert rt.read_result(path).support is None
    assert starting_point(str(path), made.problem).support is None


# silx ---------------------------------------------------------------------------------------------


def test_silx_opens_a_result_and_shows_its_amplitude(made):
    silx = program("silx.io")
    nxdata = program("silx.io.nxdata")
    with silx.open(str(made.paths[0])) as file:
        shown = nxdata.get_default(file)
        assert shown is not None
        assert np.allclose(shown.signal[()], np.abs(made.results[0].object))
        for name in ("amplitude", "phase", "diffraction", "image_1", "data_1"):
            group = nxdata.NXdata(file[f"entry_1/{name}"])
            assert group.is_valid, (name, group.issues)
            assert group.signal.shape == SHAPE
    with silx.open(str(made.scan)) as file:
        np.testing.assert_allclose(nxdata.get_default(file).signal[()], made.counts, rtol=1e-6)


# cdiutils -----------------------------------------------------------------------------------------


def test_cdiutils_loads_a_result(made):
    io = program("cdiutils.io")
    amplitude = io.load_cxi(str(made.paths[0]), "amplitude")
    assert np.allclose(amplitude, np.abs(made.results[0].object))
    with io.CXIFile(str(made.paths[0])) as file:
        assert np.array_equal(file["entry_1/image_1/support"] > 0, made.results[0].support)
        assert file["entry_last/image_1/process_1/program"] == "retrieve"


def test_cdiutils_sorts_results_and_selects_candidates(made):
    process = program("cdiutils.process")
    analyser = process.PhasingResultAnalyser(result_dir_path=str(made.folder))
    analyser.analyse_phasing_results(sorting_criterion="llkf", plot=False)
    assert len(analyser.result_paths) == 2
    free = [result.score.r_free for result in made.results]
    best = list(analyser.sorted_phasing_results)[0]
    assert best == made.paths[int(np.argmin(free))].name
    analyser.select_best_candidates(nb_of_best_sorted_runs=1)
    assert len(list(made.folder.glob("candidate_1-1_S1_run_*.cxi"))) == 1


def test_a_file_of_modes_of_cdiutils_is_a_start(made, tmp_path):
    io = program("cdiutils.io")
    with io.CXIFile(str(tmp_path / "modes.cxi"), "w") as file:
        file.stamp()
        file.set_entry()
        file.create_cxi_image(data=made.truth[None])
    found = starting_point(str(tmp_path / "modes.cxi"), made.problem)
    same_object(found.object, made.truth)


# PyNX ---------------------------------------------------------------------------------------------


@pytest.fixture
def pynx():
    program("pynx.cdi.cpu_operator")
    return SimpleNamespace(cdi=program("pynx.cdi.cdi"), cpu=program("pynx.cdi.cpu_operator"))


def phased(pynx, made, support):
    """A few iterations of PyNX itself on the counts."""
    cdi = pynx.cdi.CDI(np.fft.fftshift(made.counts), support=np.fft.fftshift(support).astype(np.int8), obj=None)
    cdi.set_obj(made.truth * np.sqrt(np.float32(1e5)), shift=True)
    return pynx.cpu.LLK() * (pynx.cpu.ER() ** 3 * cdi)


def test_a_result_that_pynx_wrote_is_a_start(made, pynx, tmp_path):
    support = inside(made.truth)
    cdi = phased(pynx, made, support)
    cdi.save_obj_cxi(str(tmp_path / "run.cxi"))
    cdi.save_obj_cxi(str(tmp_path / "run.cxi"), append=True)
    found = starting_point(str(tmp_path / "run.cxi"), made.problem)
    assert "(pynx)" in found.note
    same_object(found.object, cdi.get_obj(shift=True))
    assert correlation(found.object, made.truth) > 0.99
    assert np.array_equal(found.support, support)


def test_a_measurement_that_pynx_wrote_is_read(made, pynx, tmp_path):
    cdi = pynx.cdi.CDI(
        np.fft.fftshift(made.counts), obj=None, wavelength=1.5e-10, detector_distance=1.2, pixel_size_detector=5.5e-5
    )
    cdi.save_data_cxi(str(tmp_path / "data.cxi"))
    problem = rt.read(tmp_path / "data.cxi")
    np.testing.assert_allclose(problem.amplitude, made.problem.amplitude, rtol=1e-6)
    assert problem.meta["detector_distance_m"] == pytest.approx(1.2)


def test_pynx_takes_a_result_for_a_result_and_explains_the_counts_with_it(made, pynx):
    analysis = program("pynx.cdi.scripts.pynx_cdi_analysis")
    found = analysis.load_cxi(str(made.paths[0]), {"modes_type": "complex", "modes_crop": "auto"})
    assert set(found) == {"file_name", "obj", "psf", "roi_final", "llk"}  # a measurement would have iobs
    with h5py.File(made.paths[0]) as file:
        ours = {name: value[()] for name, value in file["entry_1/image_1/process_1/results"].items() if value.shape == ()}
    assert found["llk"] == ours["free_llk_poisson"]
    result = made.results[0]
    counts = np.where(result.held, -made.counts - 1, made.counts)  # PyNX's mark of a held-out pixel
    support = np.fft.fftshift(result.support).astype(np.int8)
    cdi = pynx.cdi.CDI(np.fft.fftshift(counts), support=support, obj=None)
    cdi.nb_free_points = int(result.held.sum())
    cdi.set_obj(found["obj"], shift=True)
    cdi = pynx.cpu.LLK() * cdi
    assert cdi.llk_poisson / ours["llk_poisson"] == pytest.approx(
        made.counts.size - result.held.sum() - result.support.sum(), rel=1e-3
    )
    assert cdi.llk_poisson_free == pytest.approx(ours["free_llk_poisson"] * result.held.sum(), rel=1e-3)


def test_pynx_finds_the_modes_of_our_results_and_its_file_of_modes_is_a_start(made, pynx, tmp_path, monkeypatch):
    analysis = program("pynx.cdi.scripts.pynx_cdi_analysis")
    monkeypatch.chdir(tmp_path)
    files = [str(path) for path in made.paths]
    monkeypatch.setattr("sys.argv", ["pynx-cdi-analysis", *files, "--modes", "1", "--nproc", "1", "--modes_output", "modes.h5"])
    analysis.main()
    found = starting_point(str(tmp_path / "modes.h5"), made.problem)
    assert "(pynx)" in found.note
    assert align(found.object, made.results[0].object).correlation > 0.9


def test_the_command_of_pynx_loads_our_measurement_and_support(made, pynx, tmp_path, monkeypatch):
    """Its `data=` and `support=`. Its `object=` takes arrays with index 0 in the corner, its own results included."""
    script = program("pynx.cdi.scripts.pynx_id01cdi")
    result = made.results[0]
    np.savez(tmp_path / "start.npz", object=np.fft.ifftshift(result.object))
    monkeypatch.chdir(tmp_path)
    options = {
        "data": made.scan,
        "support": made.paths[0],
        "object": "start.npz",
        "algorithm": "ER**20",
        "nb_run": 1,
        "roi": "full",
    }
    monkeypatch.setattr(
        "sys.argv", ["pynx-cdi-id01", *(str(word) for pair in options.items() for word in (f"--{pair[0]}", pair[1]))]
    )
    script.main()
    written = [path for path in tmp_path.glob("*.cxi") if not path.is_symlink()]
    assert len(written) == 1
    found = starting_point(str(written[0]), made.problem)
    assert np.array_equal(found.support, result.support)
    assert correlation(found.object, result.object) > 0.98  # it went on from our object


# cohere -------------------------------------------------------------------------------------------


def for_cohere(x, support, folder):
    """As docs/peers.md hands a result over."""
    folder.mkdir()
    np.save(folder / "image.npy", np.conj(x) / np.abs(x).max())
    np.save(folder / "support.npy", support.astype(int))


def test_cohere_continues_from_our_result_and_its_result_is_a_start(made, tmp_path):
    phasing = program("cohere_core.controller.phasing")
    reading = program("cohere_core.utilities.ga_utils")
    x, support = made.truth * np.sqrt(np.float32(1e5)), inside(made.truth)
    for_cohere(x, support, tmp_path / "ours")
    image, theirs, coherence = reading.read_results(str(tmp_path / "ours"))
    assert coherence is None
    assert np.array_equal(theirs > 0, support)
    same_object(np.conj(image), x)
    np.save(tmp_path / "data.npy", np.sqrt(made.counts))
    params = {"algorithm_sequence": "5*ER", "init_guess": "continue", "continue_dir": str(tmp_path / "ours")}
    run = phasing.create_rec(params, str(tmp_path / "data.npy"), "np", -1, debug=True)
    assert run.iterate() == 0
    assert run.errs[-1] < 0.1  # five iterations of ER from random phases stay far above
    run.save_res(str(tmp_path / "results"))
    found = starting_point(str(tmp_path / "results"), made.problem)
    assert "(cohere)" in found.note
    assert align(found.object, made.truth).correlation > 0.99
    assert found.support.sum() == support.sum()
