"""The files of a strain, and the command that writes them."""

import json

import h5py
import numpy as np
import pytest
from made_crystals import blurred, places, result_of, scattering

from retrieve import InputError
from retrieve.cli import main
from retrieve.geometry.experiment import Experiment
from retrieve.geometry.space import voxel_vectors
from retrieve.io.vti import write_vti
from retrieve.strain.files import record_of, write_cxi, write_json, write_paraview
from retrieve.strain.measure import strain_in
from retrieve.strain.options import Measure

CUBE = np.eye(3) * 4.0


@pytest.fixture(scope="module")
def strain():
    """Of a brick of three different edges with a bent phase, two starts."""
    r = places((36, 40, 44), CUBE)
    half = np.array([28.0, 40.0, 60.0])[:, None, None, None]
    amplitude = blurred((half - np.abs(r)).min(axis=0) / 4)
    x = amplitude * np.exp(1j * 4e-4 * r[1] ** 2)
    return strain_in(result_of([x, x * np.exp(0.1j * (r[2] / 60) ** 2)], meta={"sample": "gold"}), CUBE, scattering(), Measure())


def vtk_arrays(path):
    """Spacing, origin and arrays (nx, ny, nz) as VTK's own reader has them."""
    vtk_io = pytest.importorskip("vtkmodules.vtkIOXML", reason="vtk is not installed")
    from vtkmodules.util.numpy_support import vtk_to_numpy

    reader = vtk_io.vtkXMLImageDataReader()
    assert reader.CanReadFile(str(path))
    reader.SetFileName(str(path))
    reader.Update()
    image = reader.GetOutput()
    points = image.GetPointData()
    arrays = {
        points.GetArrayName(k): vtk_to_numpy(points.GetArray(k)).reshape(image.GetDimensions(), order="F")
        for k in range(points.GetNumberOfArrays())
    }
    return image.GetSpacing(), image.GetOrigin(), arrays


def test_vtk_reads_the_maps_with_spacing_places_and_values(strain, tmp_path):
    write_paraview(strain, tmp_path / "s.vti")
    spacing, origin, arrays = vtk_arrays(tmp_path / "s.vti")
    assert spacing == pytest.approx((strain.voxel_nm,) * 3)
    assert origin == pytest.approx([positions[0] for positions in strain.coordinates])
    for name in ("amplitude", "phase", "displacement", "strain"):
        expected = np.where(strain.support | (name == "amplitude"), strain.maps[name], 0)
        np.testing.assert_array_equal(arrays[name], expected)
        assert f"{name}_spread" in arrays
    np.testing.assert_array_equal(arrays["support"], strain.support)


def test_vtk_reads_every_kind_of_number(tmp_path):
    shape = (3, 4, 5)
    given = {
        "single": np.arange(60, dtype=np.float32).reshape(shape),
        "double": np.linspace(-1, 1, 60).reshape(shape),
        "mask": np.arange(60).reshape(shape) % 3 == 0,
        "count": np.arange(60, dtype=np.int32).reshape(shape),
        "a <&> b": np.ones(shape, np.uint8),
    }
    write_vti(tmp_path / "a.vti", given, (1.0, 2.0, 3.0), (-1.0, 0.0, 5.0))
    spacing, origin, arrays = vtk_arrays(tmp_path / "a.vti")
    assert (spacing, origin) == ((1.0, 2.0, 3.0), (-1.0, 0.0, 5.0))
    assert set(arrays) == set(given)
    for name, values in given.items():
        np.testing.assert_array_equal(arrays[name], values)


@pytest.mark.parametrize("arrays", [{}, {"flat": np.ones((3, 3))}, {"a": np.ones((2, 2, 2)), "b": np.ones((2, 2, 3))}])
def test_arrays_that_are_no_volumes_of_one_shape_are_refused(arrays, tmp_path):
    with pytest.raises(InputError, match="volumes of one shape"):
        write_vti(tmp_path / "a.vti", arrays, (1, 1, 1))


def test_complex_numbers_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="'object'"):
        write_vti(tmp_path / "a.vti", {"object": np.ones((2, 2, 2), np.complex64)}, (1, 1, 1))


def test_the_cxi_file_has_axes_in_nm_and_errors(strain, tmp_path):
    write_cxi(strain, tmp_path / "s.cxi")
    with h5py.File(tmp_path / "s.cxi") as file:
        entry = file[file.attrs["default"]]
        plot = entry[entry.attrs["default"]]
        assert plot.attrs["NX_class"] == "NXdata"
        assert plot.attrs["signal"] == "strain"
        assert list(plot.attrs["axes"]) == ["x", "y", "z"]
        for k, name in enumerate("xyz"):
            assert plot[name].attrs["units"] == "nm"
            assert plot.attrs[f"{name}_indices"] == k
            np.testing.assert_allclose(np.diff(plot[name][()]), strain.voxel_nm)
            assert len(plot[name]) == plot["strain"].shape[k]
        np.testing.assert_array_equal(plot["strain"][()], strain.maps["strain"])
        np.testing.assert_array_equal(plot["strain_errors"][()], strain.spread["strain"])
        assert entry["displacement/displacement"].attrs["units"] == "nm"
        assert np.iscomplexobj(entry["image_1/data"][()])
        assert json.loads(entry["meta"][()])["sample"] == "gold"
        assert json.loads(entry["table"][()])["bulk"]["strain_rms"]["value"] > 0
        np.testing.assert_allclose(entry["facts/hkl"][()], [1, 1, 1])


def test_silx_finds_the_plot_with_its_axes(strain, tmp_path):
    nxdata = pytest.importorskip("silx.io.nxdata", reason="silx is not installed")
    import silx.io

    write_cxi(strain, tmp_path / "s.cxi")
    with silx.io.open(str(tmp_path / "s.cxi")) as file:
        plot = nxdata.get_default(file)
        assert plot is not None
        assert plot.is_valid
        assert plot.signal_dataset_name == "strain"
        assert list(plot.axes_dataset_names) == ["x", "y", "z"]
        assert plot.axes_names == ["x (nm)", "y (nm)", "z (nm)"]


def test_the_table_is_json_with_values_and_spreads(strain, tmp_path):
    write_json(strain, tmp_path / "s.json")
    read = json.loads((tmp_path / "s.json").read_text())
    figure = read["table"]["bulk"]["strain_rms"]
    assert figure["value"] > 0
    assert figure["spread"] > 0
    assert read["facts"]["size_nm"] == pytest.approx(strain.facts["size_nm"], rel=1e-4)
    assert len(read["facets"]) == len(strain.facets)
    assert read["histogram"]["isosurface"] == pytest.approx(strain.threshold, rel=1e-4)
    assert record_of(strain)["notes"] == strain.notes


def test_in_the_frame_of_the_crystal_q_is_along_the_third_axis():
    x = blurred(10 - np.linalg.norm(places((36, 36, 36), np.eye(3)), axis=0)) + 0j
    found = strain_in(result_of([x]), CUBE, scattering((0.3, 0.8, -0.2)), Measure(frame="crystal"))
    np.testing.assert_allclose(found.q_direction, [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(found.axes) > 0
    assert found.axis_names[2] == "along_q"


SCAN = Experiment(
    diffractometer="34idc",
    energy_kev=9.0,
    distance_m=0.5,
    pixel_size_um=(110.0, 110.0),
    angles_deg={"delta": 32.174, "gamma": 12.6346, "theta": tuple(0.025 * k for k in range(32))},
)


@pytest.fixture
def result_file(tmp_path, monkeypatch):
    """A result of a ball of 60 nm whose strain is about 1e-3, measured at 34-ID-C; its experiment in the meta."""
    monkeypatch.chdir(tmp_path)
    shape = (32, 40, 40)
    r = places(shape, voxel_vectors(SCAN, shape))
    amplitude = blurred((60 - np.linalg.norm(r, axis=0)) / 8)
    x = amplitude * np.exp(1j * 2e-4 * r[1] ** 2)
    noisy = [x * np.exp(1j * a * (r[0] / 60) ** 2) for a in (0, 0.1)]
    result_of(noisy, meta={"experiment": SCAN.as_meta()}).save("gold.retrieved.cxi")
    return tmp_path


def test_the_command_writes_maps_figures_and_picture(result_file, capsys):
    main(["strain", "gold.retrieved.cxi", "--hkl", "1,1,1", "--lattice", "4.08"])
    said = capsys.readouterr().out
    for name in ("gold.strain.cxi", "gold.strain.vti", "gold.strain.json", "gold.strain.png"):
        assert (result_file / name).stat().st_size > 500
        assert name in " ".join(said.split())
    assert "2.691" in said
    assert "2.667" in said
    assert "±" in said
    read = json.loads((result_file / "gold.strain.json").read_text())
    assert read["facts"]["size_nm"] == pytest.approx([120] * 3, abs=2.5 * read["facts"]["voxel_nm"])


def test_without_its_experiment_a_result_needs_options_that_are_named(result_file):
    x = blurred(10 - np.linalg.norm(places((32, 36, 36), np.eye(3)), axis=0))
    result_of([x]).save("bare.cxi")
    with pytest.raises(SystemExit) as stop:
        main(["strain", "bare.cxi", "--quiet"])
    assert stop.value.code == 2
    options = ["--diffractometer", "34idc", "--energy", "9", "--distance", "0.5", "--pixel-size", "110"]
    options += ["--angle", "delta=32.174", "--angle", "gamma=12.6346", "--angle", "theta=0:0.775", "--no-picture", "--quiet"]
    main(["strain", "bare.cxi", *options])
    assert (result_file / "bare.strain.cxi").exists()
    assert not (result_file / "bare.strain.png").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--hkl", "1,1"], "--hkl"),
        (["--angle", "delta"], "CIRCLE=DEGREES"),
        (["--pixel-size", "a"], "--pixel-size"),
        (["--isosurface", "1.5"], "isosurface"),
        (["--vti", "gold.retrieved.cxi"], "gold.retrieved.cxi"),
        (["--energy", "-9"], "energy"),
    ],
)
def test_a_wrong_option_is_refused_by_name(result_file, capsys, options, words):
    with pytest.raises(SystemExit) as stop:
        main(["strain", "gold.retrieved.cxi", *options])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err
    assert not (result_file / "gold.strain.cxi").exists()
