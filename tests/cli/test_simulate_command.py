import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from retrieve import read
from retrieve.cli import main
from retrieve.simulate import Domains2D, Noise, object_set, set_names


def run(capsys, *words):
    """Exit code, output and errors of ``retrieve simulate`` words."""
    code = 0
    try:
        main(["simulate", *map(str, words)])
    except SystemExit as stop:
        code = stop.code or 0
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_file_for_each_object(tmp_path, capsys):
    out = tmp_path / "films"
    code, told, _ = run(capsys, "domains2d-50-cells", "--count", 3, "--seed", 4, "--first", 2, "--out", out, "--sigma", 0.05)
    assert code == 0
    assert "written: 3 of domains2d-50-cells, seed 4" in told
    assert sorted(p.name for p in out.iterdir()) == [f"domains2d-50-cells-0000{k}.cxi" for k in (2, 3, 4)]
    expected = object_set("domains2d-50-cells").problem(3, 4, Noise(sigma=0.05))
    back = read(out / "domains2d-50-cells-00003.cxi")
    assert_array_equal(back.amplitude, expected.amplitude)
    assert_array_equal(back.truth, expected.truth)
    assert run(capsys, "domains2d-50-cells", "--out", out)[0] == 0  # a directory that is there is added to
    assert len(list(out.iterdir())) == 4


def test_options_of_set_and_noise_are_flags(tmp_path, capsys):
    out = tmp_path / "one.cxi"
    words = ["--kind", "blobs", "--size", 32, "--vary", "--photons", 1e5, "--beam-stop", 2, "--support", "unknown"]
    assert run(capsys, "domains2d-10", *words, "--quiet", "--out", out) == (0, "", "")
    expected = Domains2D(domains=10, kind="blobs", size=32, vary=True).problem(0, 0, Noise(photons=1e5, beam_stop=2))
    back = read(out)
    assert_array_equal(back.amplitude, expected.amplitude)
    assert back.support is None


def test_one_npz_for_all(tmp_path, capsys):
    out = tmp_path / "films.npz"
    assert run(capsys, "crystal2d", "--count", 2, "--out", out, "-q")[0] == 0
    with np.load(out) as stack:
        assert stack["truth"].shape == stack["intensity"].shape == (2, 64, 64)
        assert_array_equal(stack["truth"], object_set("crystal2d").objects(2, 0)[0])


def test_names_are_the_defaults_of_out(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(capsys, "domains2d", "-q")
    run(capsys, "domains2d", "-q", "--format", "npz")
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*")) == [
        "domains2d.npz",
        "domains2d/domains2d-00000.cxi",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["domains2-50"], "unknown set 'domains2-50'; did you mean domains2d-50"),
        (["domains2d", "--domains", "0"], "domains=0 is out of range"),
        (["domains2d", "--sigma", "lots"], "sigma='lots' is not of type float"),
        (["domains2d", "--facets", "6"], "no option --facets"),
        (["domains2d", "--beam-stop", "100"], "0 pixels left"),
        (["domains2d", "--fill", "0.4", "--aspect", "4"], "lower one of them"),
        (["domains2d", "--count", "2", "--out", "x.cxi"], "name a directory"),
        (["domains2d", "--out", "none/films"], "there is no directory none"),
        (["domains2d", "--out", "there"], "there is a file; name a directory"),
        (["domains2d", "--out", "there/films.npz"], "there is no directory there"),
        (["domains2d", "--out", "x.npz", "--format", "cxi"], "does not go with --format cxi"),
        (["domains2d", "--out", "x", "--format", "npz"], "end it in .npz"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").touch()
    code, out, err = run(capsys, *words)
    assert code == 2
    assert message in err
    assert out == ""
    assert [p.name for p in tmp_path.iterdir()] == ["there"]


def test_help_lists_sets_and_options(capsys):
    code, told, _ = run(capsys, "--help")
    assert code == 0
    assert all(name in told for name in set_names())
    code, told, _ = run(capsys, "domains2d-10-cells", "--help")
    assert "domains2d-10-cells sets domains=10, kind=cells" in " ".join(told.split())
    assert all(flag in told for flag in ("--aspect", "--photons", "--gap-width", "--first"))


def test_the_command_loads_no_torch(tmp_path):
    code = (
        "import sys; from retrieve.cli import main; "
        f"main(['simulate', 'domains2d', '-q', '--out', {str(tmp_path / 'x.cxi')!r}]); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
