"""The commands as a user calls them."""

import json

import h5py
import numpy as np
import pytest
from matplotlib.image import imread

from retrieve.cli import COMMANDS, main
from retrieve.io.results import read_result
from retrieve.simulate import TUNE_SEED, blobs, measure, object_set

SHORT = ["--recipe", "20 er + 30 hio + 10 er"]


def test_the_main_job_leaves_a_result_and_a_picture(here, capsys):
    main(["run", "example:crystal2d", *SHORT, "--starts", "2"])
    told = capsys.readouterr().out
    for words in ("recipe on cpu", "start", "R_free", "chosen", "written"):
        assert words in told
    result = read_result("example-crystal2d.retrieved.cxi")
    assert len(result.scores) == 2
    assert result.chosen == int(np.argmin([score.r_free for score in result.scores]))
    picture = imread("example-crystal2d.retrieved.png")
    assert min(picture.shape[:2]) > 300
    assert picture.std() > 0.05
    assert sorted(path.name for path in here.iterdir()) == ["example-crystal2d.retrieved.cxi", "example-crystal2d.retrieved.png"]


def test_the_deviance_stands_beside_r(pattern, capsys):
    main(["run", pattern, *SHORT, "--no-picture", "--out", "a.cxi"])
    told = " ".join(capsys.readouterr().out.split())
    score = read_result("a.cxi").score
    assert "deviance" in told
    assert f"{score.deviance:.3g}" in told
    assert f"{score.deviance_free:.3g}" in told
    main(["inspect", "a.cxi"])
    assert f"deviance {score.deviance:.3g} per pixel" in " ".join(capsys.readouterr().out.split())


def test_run_and_analyze_print_one_r(pattern, capsys):
    main(["run", pattern, *SHORT, "--starts", "2", "--no-picture", "--out", "a.cxi", "--hold-out", "0.2"])
    capsys.readouterr()
    scores = read_result("a.cxi").scores
    main(["analyze", "a.cxi"])
    told = capsys.readouterr().out
    (line,) = (line for line in told.splitlines() if "R (fitted pixels)" in line)
    median = np.median([score.r for score in scores])
    assert f"{median:.4g}" in line


def test_a_mask_the_wrong_way_round_ends_with_an_error(here, capsys):
    intensity = measure(blobs((32, 32), seed=0)[0], photons=1e6)
    intensity[20, 11] = 1e9
    np.savez("hot.npz", intensity=intensity, mask=intensity == 1e9)
    with pytest.raises(SystemExit) as stop:
        main(["run", "hot.npz", "--solver", "hio", "--iterations", "5", "--starts", "2", "--out", "a.cxi"])
    assert stop.value.code not in (0, None)
    assert "give --mask-convention masked" in " ".join(capsys.readouterr().err.split())
    assert not (here / "a.cxi").exists()


def test_quiet_says_nothing(pattern, capsys):
    main(["run", pattern, *SHORT, "--quiet", "--no-picture"])
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "")


def test_a_spec_and_flags_make_the_same_solver(pattern):
    main(["run", pattern, "-q", "--no-picture", "--out", "a.cxi", "--solver", "hio:beta=0.7,iterations=12,shrink_wrap.every=3"])
    main(["run", pattern, "-q", "--no-picture", "--out", "b.cxi", "--solver", "hio", "--beta", "0.7", "--iterations", "12",
          "--shrink-wrap.every", "3"])  # fmt: skip
    a, b = (read_result(name) for name in ("a.cxi", "b.cxi"))
    assert a.manifest["options"] == b.manifest["options"]
    assert a.manifest["options"]["beta"] == 0.7
    np.testing.assert_array_equal(a.object, b.object)


def test_a_page_of_the_result(pattern):
    main(["run", pattern, *SHORT, "-q", "--no-picture", "--out", "a.cxi", "--report", "a.html"])
    with open("a.html") as file:
        assert "<svg" in file.read()


def test_solvers_are_listed_and_explained(capsys):
    main(["solvers"])
    listed = capsys.readouterr().out
    for name in ("er", "hio", "raar", "recipe", "guided", "cg", "oss"):
        assert f"\n{name} " in listed
    main(["solvers", "hio"])
    told = capsys.readouterr().out
    for words in ("--beta", "0.9", "(0, 2]", "Fienup", "--shrink-wrap.threshold"):
        assert words in told


def test_inspect_tells_what_is_there(pattern, capsys):
    main(["inspect", pattern])
    told = capsys.readouterr().out
    for words in ("128 × 128", "oversampling", "unmeasured", "taken as intensity"):
        assert words in told


def test_inspect_tells_a_results_scores(pattern, capsys):
    main(["run", pattern, *SHORT, "-q", "--no-picture", "--out", "a.cxi"])
    main(["inspect", "a.cxi"])
    assert "start 0" in capsys.readouterr().out


def test_doctor(capsys):
    main(["doctor"])
    told = capsys.readouterr().out
    for words in ("numpy", "backend", "plugins", "128×128×128", "ms"):
        assert words in told


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    main([name, "--help"])
    assert capsys.readouterr().out.startswith(f"Usage: retrieve {name}")


def test_a_run_without_options_ends_in_a_verdict(here, capsys):
    problem = object_set("crystal2d").problem(0, TUNE_SEED)
    np.savez("one.npz", intensity=np.fft.fftshift(problem.amplitude) ** 2)
    main(["run", "one.npz", "--no-picture", "--out", "a.cxi", "--report", "a.html", "--require", "solved"])
    told = capsys.readouterr().out
    for words in ("auto on cpu", "autocorrelation", "scored best", "verdict: solved"):
        assert words in told
    assert read_result("a.cxi").verdict.label == "solved"
    with open("a.html") as page:
        assert "right with a probability of" in page.read()


def test_require_tells_by_its_exit_status(pattern, capsys):
    with pytest.raises(SystemExit) as done:
        main(["run", pattern, "--solver", "hio:iterations=3", "--starts", "2", "--no-picture", "--require", "solved"])
    assert done.value.code == 1
    assert "--require solved: the verdict is not solved" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "solver"),
    [
        (["--recipe", "default"], "recipe"),
        (["--recipe=3 er"], "recipe"),
        (["--recipe", "auto"], "auto"),
    ],
)
def test_recipe_names_the_solver(pattern, arguments, solver):
    main(["run", pattern, *arguments, "--starts", "1", "--seconds", "0.01", "-q", "--no-picture", "--out", "a.cxi"])
    result = read_result("a.cxi")
    assert result.manifest["solver"] == solver
    assert result.verdict.label == "cannot tell"


def test_the_manifest_is_in_the_file(pattern):
    main(["run", pattern, *SHORT, "-q", "--no-picture", "--out", "a.cxi"])
    with h5py.File("a.cxi") as file:
        manifest = json.loads(file["entry_1/manifest"][()])
    assert manifest["input"]["path"].endswith(pattern)
    assert len(manifest["input"]["sha256"]) == 64
    assert manifest["options"]["recipe"] == SHORT[1]
    assert "numpy" in manifest["versions"]


@pytest.mark.parametrize(("text", "named"), [("gaussian:0.05", ("gaussian", 0.05)), ("poisson:20", ("poisson", 20.0))])
def test_the_noise_can_be_told_with_its_number(pattern, text, named):
    main(["run", pattern, *SHORT, "-q", "--no-picture", "--likelihood", text, "--out", "a.cxi"])
    told = read_result("a.cxi").manifest["likelihood"]
    assert (told.pop("name"), *told.values()) == named


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("normal", "unknown likelihood 'normal'; known: gaussian, poisson (auto takes it from the data"),
        ("gaussian:x", "not of type float"),
        ("poisson:-1", "range"),
        ("gaussian:", "of type float"),
        ("gaussian:inf", "out of range"),
    ],
)
def test_noise_that_is_none_is_refused(pattern, text, why, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["run", pattern, "--likelihood", text])
    assert why in " ".join(capsys.readouterr().err.split())


def test_a_solvers_option_cannot_take_the_name_of_one_of_run():
    from retrieve.cli.run import command
    from retrieve.plugins.flags import RUN_OPTIONS

    own = {name for parameter in command.params for name in parameter.opts if name.startswith("-")}
    assert own == RUN_OPTIONS
