"""Every figure of the paper is made, in the smallest form, and told beside the paper's numbers."""

import json

import numpy as np
import pytest
from PIL import Image

import retrieve.reproduce as reproduce_module
from retrieve.cli import main
from retrieve.errors import InputError
from retrieve.evaluate.store import Store
from retrieve.reproduce import FIGURES, Effort, reproduce, write_overview
from retrieve.reproduce.base import Line, line_record, paper

LEAST = Effort(objects=1, volumes=1, starts=1, samples=3, search=30, evaluations=4, timesteps=3)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder with all figures, and what each says."""
    folder = tmp_path_factory.mktemp("reproduced")
    return folder, {name: reproduce(name, LEAST, folder, f"retrieve reproduce {name}") for name in FIGURES}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_its_picture_and_its_numbers(made, name):
    folder, contents = made
    written = json.loads((folder / f"{name}.json").read_text())
    assert [line["what"] for line in written["lines"]] == [line["what"] for line in contents[name]["lines"]]
    assert len(written["lines"]) >= 6
    assert all(np.isfinite(line["ours"]) for line in written["lines"])
    assert any(line["paper"] is not None and line["where"] for line in written["lines"])
    assert written["effort"] == LEAST._asdict()
    assert written["seconds"] > 0
    picture = np.asarray(Image.open(folder / f"{name}.png").convert("L"))
    assert picture.std() > 5


def test_the_page_holds_every_figure_and_needs_no_network(made):
    folder, contents = made
    page = write_overview(folder).read_text()
    for name, content in contents.items():
        assert content["title"] in page
        assert f'id="{name}-table"' in page
    assert page.count("data:image/png;base64,") == len(FIGURES)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_the_numbers_of_the_paper_are_those_that_it_prints():
    values = paper()["values"]
    assert values["seconds diffusion"] == {"value": 6.61, "where": "section 5.4"}
    assert [values[f"pairs {name}"]["value"] for name in ("diffraction", "amplitude", "phase")] == [0.97, 0.87, 0.72]
    for value in values.values():
        assert value["where"]
        assert ("value" in value) != ("says" in value)
    assert set(paper()["figures"]) == set(FIGURES)
    assert line_record(Line("x", 1.0))["paper"] is None


def test_every_number_of_the_paper_is_used(made):
    used = {(line["paper"], line["where"]) for content in made[1].values() for line in content["lines"]}
    unused = [key for key, v in paper()["values"].items() if (v.get("value", v.get("says")), v["where"]) not in used]
    assert unused == []


def test_the_command_writes_into_its_folder_and_refuses_another_figure(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reproduce_module, "QUICK", LEAST)
    main(["reproduce", "speed", "--quick", "--out", str(tmp_path / "new"), "--workers", "1"])
    assert "seconds, unet" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"speed.json", "speed.png", "index.html"}
    with pytest.raises(SystemExit) as stop:
        main(["reproduce", "fig7"])
    assert stop.value.code == 2
    with pytest.raises(InputError, match="unknown figure 'fig1'; did you mean fig"):
        reproduce("fig1", LEAST, tmp_path)


def test_a_folder_that_cannot_be_is_told_before_any_work(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="2"):
        main(["reproduce", "speed", "--out", str(tmp_path / "file" / "out")])
    assert "choose another place" in capsys.readouterr().err


def test_an_interrupted_figure_goes_on_from_the_runs_that_are_kept(tmp_path):
    with Store(tmp_path / "runs.jsonl") as store:
        first = reproduce("fig6", LEAST, tmp_path, "retrieve reproduce fig6", store)
    with Store(tmp_path / "runs.jsonl", resume=True) as store:
        again = reproduce("fig6", LEAST, tmp_path, "retrieve reproduce fig6", store)
    assert (first["kept_runs"], again["kept_runs"]) == (0, 4)  # two levels, two solvers
    assert again["lines"] == first["lines"]
    assert again["details"]["seconds"] == first["details"]["seconds"] > 0
