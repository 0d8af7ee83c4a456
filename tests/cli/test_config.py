"""Options from a file, and what the command line says of names that it does not know."""

import tomllib

import pytest

from retrieve.cli import main
from retrieve.io.results import read_result

QUICK = ["run", "example:crystal2d", "--no-picture", "--quiet"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_a_file_gives_defaults_and_the_command_line_goes_first(here):
    text = '[run]\nsolver = "hio"\nbeta = 0.7\niterations = 3\nstarts = 2\nseed = 4\n[run.shrink-wrap]\nthreshold = 0.15\n'
    (here / "retrieve.toml").write_text(text)
    main([*QUICK, "--seed", "5"])
    manifest = read_result("example-crystal2d.retrieved.cxi").manifest
    assert (manifest["solver"], manifest["starts"], manifest["seed"]) == ("hio", 2, 5)
    options = manifest["options"]
    assert (options["beta"], options["iterations"], options["shrink_wrap.threshold"]) == (0.7, 3, 0.15)


def test_config_names_another_file(here):
    (here / "retrieve.toml").write_text("[run]\nseed = 1\n")
    (here / "other.toml").write_text('[run]\nsolver = "hio"\niterations = 2\nstarts = 1\nseed = 2\n')
    main(["--config", "other.toml", *QUICK])
    assert read_result("example-crystal2d.retrieved.cxi").manifest["seed"] == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[rum]\n", "unknown command 'rum'; did you mean run?"),
        ("[run]\nstrats = 2\n", "unknown option 'strats' of auto; did you mean starts"),
        ("[run]\nseed = -1\n", "-1"),
        ('[run]\nsolver = "hio"\nbeta = "x"\n', "beta='x'"),
        ('[run]\nno-picture = "yes"\n', "no-picture='yes' is a switch; write true or false"),
        ("[run]\nseed = [1, 2]\n", "write one value"),
        ('[compare]\nsolver = "hio"\n', "write a list"),
        ("[compare]\nsolvr = []\n", "unknown option 'solvr'; did you mean solver"),
        ("run = 3\n", "run=3 is no table; write [run]"),
        ("[run\n", "retrieve.toml is no TOML"),
        ('[prepare]\nscan = "x"\n', "scan='x' is no table"),
    ],
)
def test_a_wrong_file_is_refused_before_any_work(here, text, told, capsys):
    (here / "retrieve.toml").write_text(text)
    assert told in refused([*QUICK], capsys)


def test_a_file_that_is_missing(here, capsys):
    assert "cannot read none.toml" in refused(["--config", "none.toml", *QUICK], capsys)


@pytest.mark.parametrize("words", [[], ["compare"], ["prepare", "scan"], ["inspect"]])
def test_the_printed_file_is_a_right_one(here, words, capsys):
    main(["config", *words])
    printed = capsys.readouterr().out
    table = tomllib.loads(printed)
    for name in words or ["run"]:
        table = table[name]
    assert table == {}
    lines = [line for line in printed.splitlines() if line.startswith("# ") and " = " in line]
    set_ = "\n".join(line.removeprefix("# ") for line in lines if not line.endswith(")"))
    assert len(tomllib.loads(set_)) > 1


def test_near_commands_are_offered(capsys):
    assert "did you mean inspect?" in refused(["inpsect", "scan.npz"], capsys)


def test_an_option_of_another_solver_says_whose_it_is(here, capsys):
    told = refused([*QUICK, "--beta", "0.8"], capsys)
    assert "--beta is no option of auto, but of recipe" in told
    assert "hio" in told
    assert "add --solver recipe" in told
