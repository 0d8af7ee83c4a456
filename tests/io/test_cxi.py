"""Results survive the file, the file is what CXI and NeXus readers expect, and it appears whole or not at all."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

from retrieve.errors import InputError
from retrieve.files import check_writable
from retrieve.io import load, read
from retrieve.io.result import Cost, Result, write_problem, write_result
from retrieve.io.results import read_result
from retrieve.operators import FarField, Pad
from retrieve.problem import Problem
from retrieve.problem.likelihood import Poisson
from retrieve.problem.scoring import Score


@pytest.fixture
def problem(counts, mask, support, truth):
    meta = {"wavelength_m": 1.3e-10, "sample": "gold", "steps": ["centred"]}
    return Problem.from_arrays(intensity=counts, mask=mask, support=support, truth=truth, meta=meta, likelihood=Poisson(2.0))


@pytest.fixture
def result(problem, support):
    rng = np.random.default_rng(0)
    shape = problem.shape
    estimates = (rng.normal(size=(3, *shape)) + 1j * rng.normal(size=(3, *shape))).astype(np.complex64)
    history = {"step": [0.0, 10.0], "r": [1.0, 0.5], "r_free": [2.0, 0.6]}
    return Result(
        object=estimates[1],
        estimates=estimates,
        supports=np.stack([support, ~support, support]),
        scores=(
            Score(0.2, 0.3, 1.0, deviance=1.1, deviance_free=1.3),
            Score(0.1, 0.2, 0.9, deviance=0.8),
            Score(float("nan"), None, failure="NaN in the estimate"),
        ),
        chosen=1,
        history=(history, history, {"step": [0.0], "r": [None], "r_free": [None]}),
        cost=Cost(ffts=400, network_evaluations=3, seconds=1.5, steps=200),
        problem=problem,
        held=rng.random(shape) < 0.05,
        spread=rng.random(shape).astype(np.float32),
        interrupted=True,
        manifest={"solver": "hio", "seed": 0, "options": {"beta": np.float32(0.9)}, "versions": {"numpy": "2"}},
    )


@pytest.fixture
def saved(result, tmp_path):
    return write_result(result, tmp_path / "out.cxi")


def same(a, b):
    assert (a is None) == (b is None)
    if a is not None:
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["object", "estimates", "supports", "held", "spread", "support"])
def test_arrays_come_back(result, saved, name):
    got = getattr(read_result(saved), name)
    same(got, getattr(result, name))
    assert got.dtype == getattr(result, name).dtype


def test_everything_else_comes_back(result, saved):
    got = read_result(saved)
    assert got.scores[:2] == result.scores[:2]
    assert np.isnan(got.scores[2].r)
    assert (got.scores[2].r_free, got.scores[2].failure) == (None, "NaN in the estimate")
    assert (got.chosen, got.cost, got.interrupted) == (1, result.cost, True)
    assert got.history[:2] == result.history[:2]
    assert np.isnan(got.history[2]["r"][0])
    assert got.manifest["solver"] == "hio"
    assert got.manifest["options"]["beta"] == pytest.approx(0.9)


def test_a_file_from_before_the_deviance_is_read(result, saved):
    with h5py.File(saved, "r+") as file:
        groups = "entry_1/starts", "entry_1/image_1/process_1/results"
        places = [f"{group}/{name}" for group in groups for name in file[group]]
        old = [place for place in places if "deviance" in place]
        assert len(old) == 4
        for place in old:
            del file[place]
        del file["entry_1"].attrs["sha256_of_small_values"]
    got = read_result(saved)
    assert [score.deviance for score in got.scores] == [score.deviance_free for score in got.scores] == [None] * 3
    assert got.scores[0] == replace(result.scores[0], deviance=None, deviance_free=None)
    assert got.score.deviance is None


@pytest.mark.parametrize("name", ["amplitude", "valid", "support", "truth"])
def test_problem_comes_back(problem, saved, tmp_path, name):
    write_problem(problem, tmp_path / "data.cxi")
    for got in (read_result(saved).problem, read(saved), read(tmp_path / "data.cxi")):
        same(getattr(got, name), getattr(problem, name))


def test_meta_and_likelihood_come_back(problem, saved, tmp_path):
    write_problem(problem, tmp_path / "data.cxi")
    assert read_result(saved).problem.meta == problem.meta
    for got in (read_result(saved).problem, read(saved), read(tmp_path / "data.cxi")):
        assert got.likelihood == problem.likelihood
        assert problem.meta.items() <= got.meta.items()


def test_optional_parts_may_be_absent(result, counts, tmp_path):
    bare = Problem.from_arrays(intensity=counts)
    plain = Result(result.object, result.estimates[:1], None, result.scores[:1], 0, ({},), Cost(), bare)
    got = read_result(write_result(plain, tmp_path / "plain.cxi"))
    assert (got.supports, got.held, got.spread, got.problem.support, got.problem.truth) == (None,) * 5
    assert got.history == ({},)


def test_the_score_of_a_combination_comes_back(result, tmp_path):
    combined = Score(0.25, 0.5, 1.5, deviance=1.2, deviance_free=1.4)
    assert read_result(replace(result, averaged=combined).save(tmp_path / "a.cxi")).score == combined
    assert read_result(replace(result, averaged=None).save(tmp_path / "b.cxi")).averaged is None


def test_padded_object(result, problem, tmp_path):
    small = (16, 20)
    inner = problem.replace(operator=FarField(problem.shape) @ Pad(small, problem.shape), support=None, truth=None)
    plain = Result(result.object[:16, :20], result.estimates[:, :16, :20], None, result.scores, 1, result.history, Cost(), inner)
    got = read_result(write_result(plain, tmp_path / "small.cxi"))
    assert got.problem.shape == small
    assert got.problem.meta["operator"] == "FarField @ Pad"
    np.testing.assert_allclose(got.problem.r_factor(got.estimates), inner.r_factor(plain.estimates))


@pytest.mark.parametrize("shape", [(16, 18), (15, 16, 17)])
def test_amplitudes_are_exact(tmp_path, shape):
    rng = np.random.default_rng(1)
    problem = Problem.from_arrays(amplitude=(10 ** rng.uniform(-9, 9, shape)).astype(np.float32))
    np.testing.assert_array_equal(read(write_problem(problem, tmp_path / "a.cxi")).amplitude, problem.amplitude)


def test_cxi_layout(result, saved, mask):
    with h5py.File(saved) as file:
        assert file["cxi_version"][()] == 150
        entry = file["entry_1"]
        assert entry["image_1/data"].dtype == np.complex64
        assert entry["image_1/data_space"][()] == b"real"
        assert entry["image_1/data_type"][()] == b"electron density"
        assert entry["image_1/is_fft_shifted"][()] == 0
        assert entry["image_1/mask"] == entry["image_1/support"]
        assert entry["data_1/data"] == entry["image_1/data"]
        np.testing.assert_array_equal(entry["instrument_1/detector_1/mask"][()] == 0, mask)
        assert "0 = good" in entry["instrument_1/detector_1/mask"].attrs["note"]
        assert entry["starts/objects"].chunks == (1, *result.object.shape)
        assert entry["instrument_1/beam_1/incident_wavelength"][()] == 1.3e-10
        assert json.loads(entry["manifest"][()])["seed"] == 0
        assert entry["image_1/process_1/program"][()] == b"retrieve"
        assert entry["image_1/process_1/configuration/solver"][()] == b"hio"
        assert entry["start_time"][()] < entry["end_time"][()]


@pytest.mark.parametrize("path", ["", "entry_1", "entry_1/amplitude", "entry_1/phase", "entry_1/diffraction", "entry_1/image_1"])
def test_nexus_default_plots(saved, path):
    with h5py.File(saved) as file:
        group = file[path or "/"]
        assert group.attrs["NX_class"] in {"NXroot", "NXentry", "NXdata"}
        while "signal" not in group.attrs:
            group = group[group.attrs["default"]]
        assert group[group.attrs["signal"]].shape == (32, 40)


def test_default_of_a_problem_is_the_pattern(problem, counts, mask, tmp_path):
    with h5py.File(write_problem(problem, tmp_path / "a.cxi")) as file:
        assert file["entry_1"].attrs["default"] == "diffraction"
        np.testing.assert_allclose(file["entry_1/diffraction/data"][()], counts * mask, rtol=1e-6)


def test_result_as_a_measurement(saved, support):
    got = load(saved)
    assert (got.kind, got.centred) == ("intensity", True)
    assert "written by retrieve: intensity, centred" in got.notes
    same(got.support.astype(bool), support)


def test_result_as_a_support(saved, result, counts, tmp_path):
    np.save(tmp_path / "scan.npy", counts)
    got = load(tmp_path / "scan.npy", support=f"{saved}:/entry_1/image_1/support")
    same(got.support.astype(bool), result.support)


def test_unused_support_of_a_result_is_said(result, counts, tmp_path):
    bare = Result(
        result.object,
        result.estimates,
        result.supports,
        result.scores,
        1,
        result.history,
        result.cost,
        Problem.from_arrays(intensity=counts),
    )
    got = load(write_result(bare, tmp_path / "a.cxi"))
    assert got.support is None
    assert any("give --support" in note for note in got.notes)


def test_foreign_result_as_a_support(counts, support, tmp_path):
    with h5py.File(tmp_path / "pynx.cxi", "w") as file:
        file["cxi_version"] = 150
        file["entry_1/image_1/data"] = support.astype(np.complex64)
        file["entry_1/image_1/data_space"] = "real"
        file["entry_1/image_1/mask"] = support.astype(np.int8)
    np.save(tmp_path / "scan.npy", counts)
    same(load(tmp_path / "scan.npy", support=tmp_path / "pynx.cxi").support.astype(bool), support)


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("before", [None, b"an older result"])
def test_nothing_is_left_of_a_failed_write(result, tmp_path, monkeypatch, error, before):
    path = tmp_path / "out.cxi"
    if before:
        path.write_bytes(before)

    def fail(*args):
        raise error

    monkeypatch.setattr("retrieve.io.result._write_starts", fail)
    expected = (InputError, "No space left.*choose another place") if isinstance(error, OSError) else (type(error), None)
    with pytest.raises(expected[0], match=expected[1]):
        write_result(result, path)
    assert [p.name for p in tmp_path.iterdir()] == (["out.cxi"] if before else [])
    assert not before or path.read_bytes() == before


def test_a_result_replaces_an_older_one(result, saved):
    write_result(result, saved)
    assert [p.name for p in saved.parent.iterdir()] == ["out.cxi"]


@pytest.mark.parametrize(("name", "words"), [("", "is a directory.*the name of a file"), ("none/out.cxi", "no directory.*mkdir")])
def test_unwritable_places(result, tmp_path, name, words):
    for write in (check_writable, lambda path: write_result(result, path)):
        with pytest.raises(InputError, match=words) as error:
            write(tmp_path / name)
        assert str(tmp_path) in str(error.value)


def test_directory_without_permission(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(InputError, match="is not writable by this user"):
        check_writable(tmp_path / "out.cxi")


@pytest.mark.parametrize("kind", ["problem", "npz"])
def test_other_files_are_no_results(problem, counts, tmp_path, kind):
    path = tmp_path / "a"
    if kind == "problem":
        write_problem(problem, path)
    else:
        np.savez(path.with_suffix(".npz"), intensity=counts)
        path = path.with_suffix(".npz")
    with pytest.raises(InputError, match=str(path)):
        read_result(path)
