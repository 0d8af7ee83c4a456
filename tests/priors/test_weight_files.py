import json

import pytest
import torch
from safetensors.torch import save_file

from retrieve.errors import InputError, RetrieveError
from retrieve.priors import weights
from retrieve.priors.edm import EDM


@pytest.fixture
def module(small, awake):
    return awake(EDM((8, 12), small))


@pytest.fixture
def file(module, tmp_path):
    return weights.save(module, {"architecture": module.settings, "name": "x"}, tmp_path / "x.safetensors")


@pytest.fixture
def ships(monkeypatch, tmp_path, file):
    """A folder of shipped weights that holds `x`."""
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    monkeypatch.setattr(weights, "SUMS", tmp_path / "SHA256SUMS")
    weights.SUMS.write_text(f"{weights.sha256(file)}  x.safetensors\n")
    return tmp_path


def test_weights_come_back_in_half_precision(module, file):
    back = weights.load_weights(file)
    assert not back.training
    assert not any(p.requires_grad for p in back.parameters())
    for name, t in module.state_dict().items():
        assert torch.equal(back.state_dict()[name], t.half().float())
    assert weights.card_of(file) == {"architecture": module.settings, "name": "x"}
    assert 2 < file.stat().st_size / sum(t.numel() for t in module.parameters()) < 3


def test_they_are_loaded_once_as_long_as_the_file_stands(module, file):
    first = weights.load_weights(file)
    assert weights.load_weights(str(file)) is first
    torch.nn.init.ones_(module.network.last.bias)
    weights.save(module, {"architecture": module.settings}, file)
    file.touch()
    assert weights.load_weights(file).network.last.bias[0] == 1


def test_shipped_ones_are_found_by_name(ships, file):
    assert weights.shipped() == {"x": file}
    assert weights.path_of("x") == file
    assert weights.load_weights("x") is weights.load_weights(file)
    assert weights.verify() == {"x": True}


def test_a_shipped_file_that_is_another_one(ships, module, file):
    (ships / "y.safetensors").write_bytes(file.read_bytes())
    with weights.SUMS.open("a") as sums:
        sums.write(f"{'0' * 64}  z.safetensors\n")
    assert weights.verify() == {"x": True, "y": False, "z": False}
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert weights.verify()["x"] is False


def test_an_unknown_name(ships):
    with pytest.raises(InputError, match=r"unknown weights 'xx'; did you mean x\? Or give the path"):
        weights.load_weights("xx")


def _without_card(path, module):
    save_file(dict(module.state_dict()), path)


def _cut(path, module):
    path.write_bytes(path.read_bytes()[:-100])


def _card(card):
    def write(path, module):
        save_file(dict(module.state_dict()), path, {"card": card})

    return write


def _other(**changed):
    return lambda path, module: _card(json.dumps({"architecture": module.settings | changed}))(path, module)


DAMAGED = {
    "empty": (lambda path, module: path.write_bytes(b""), "cannot be read as a file of weights with a card"),
    "noise": (lambda path, module: path.write_bytes(bytes(range(256))), "cannot be read as a file of weights with a card"),
    "cut": (_cut, "cannot be read as a file of weights with a card"),
    "no card": (_without_card, "not a file of weights with a card"),
    "card is no JSON": (_card("{"), "its card is no JSON"),
    "card is a list": (_card("[1]"), r"its card holds \[1\], not a mapping"),
    "no architecture": (_card("{}"), "its card lacks architecture"),
    "unknown kind": (_other(kind="edn"), "unknown architecture 'edn'; did you mean edm"),
    "no kind": (lambda path, module: _card('{"architecture": {}}')(path, module), "unknown architecture"),
    "architecture is no mapping": (_card('{"architecture": 3}'), "its card holds architecture=3"),
    "unknown option": (_other(depth=3), "architecture holds depth=3, which is unknown"),
    "not a multiple": (_other(window=[9, 9]), "multiple of 2"),
    "a window of one axis": (_other(window=[11]), r"window=\[11\], not List should have at least 2 items"),
    "another network": (_other(network={"base": 16, "widths": [1], "attention": []}), "not those of its card's architecture"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_no_file_of_weights(file, module, name):
    write, message = DAMAGED[name]
    write(file, module)
    with pytest.raises(InputError, match=message) as error:
        weights.load_weights(file)
    assert str(file) in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_what_half_precision_cannot_hold_is_not_written(module, file):
    before = file.read_bytes()
    torch.nn.init.constant_(module.network.last.bias, 1e6)
    with pytest.raises(RetrieveError, match=r"network\.last\.bias"):
        weights.save(module, {"architecture": module.settings}, file)
    assert file.read_bytes() == before


def test_a_place_that_cannot_be_written(module, tmp_path):
    with pytest.raises(RetrieveError, match="cannot write"):
        weights.save(module, {"architecture": module.settings}, tmp_path / "nowhere" / "x.safetensors")


@pytest.mark.parametrize("path", [pytest.param(p, id=n) for n, p in weights.shipped().items()])
def test_what_ships(path):
    card = weights.card_of(path)
    assert weights.verify()[path.stem]
    assert path.stat().st_size < 20e6
    assert card["licence"] == "BSD-3-Clause"
    assert {"architecture", "scale", "data", "geometry", "training", "version"} <= set(card)
    assert all(p.isfinite().all() for p in weights.load_weights(path.stem).parameters())


def test_a_network_begins_with_another_one_s_weights(module, file, small):
    again = EDM((8, 12), small)
    weights.load_partial_state(again, file)
    for name, t in weights.load_weights(file).state_dict().items():
        assert torch.equal(again.state_dict()[name], t)


@pytest.mark.parametrize("more", [{"scales": (1.0, 2.0)}, {"kinds": ("flat", "round")}], ids=str)
def test_what_a_network_is_told_in_addition_begins_without_effect(module, file, small, more):
    wider = EDM((8, 12), small, **more)
    weights.load_partial_state(wider, file)
    x = torch.randn(2, 8, 12, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(wider.denoise(x, 0.5), weights.load_weights(file).denoise(x, 0.5))


def test_another_network_s_weights_are_refused(file, small):
    with pytest.raises(InputError, match="of another network"):
        weights.load_partial_state(EDM((8, 12), small | {"base": 4}), file)
    with pytest.raises(InputError, match="of another network"):
        weights.load_partial_state(EDM((8, 12), small | {"blocks": 2}), file)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"blocks": 10**9}, "network.blocks=1000000000, not less than or equal to 1000"),
        ({"blocks": 900}, "the network has more than .* arrays"),
        ({"base": 2**15}, "is .* in the file, .* in the network"),
        ({"widths": [1] * 10**5}, "widths"),
        ({"embedding": None}, "embedding=None"),
        ({"patch": 10**400}, "patch"),
    ],
)
def test_a_card_of_a_huge_network_is_refused_before_it_is_built(file, module, changed, told):
    architecture = {**module.settings, "network": {**module.settings["network"], **changed}}
    if "widths" in changed:
        architecture["network"]["attention"] = []
    save_file(dict(module.state_dict()), file, {"card": json.dumps({"architecture": architecture})})
    with pytest.raises(InputError, match=told):
        weights.load_weights(file)


def test_weights_carry_a_checksum_and_a_version_and_older_ones_have_neither(file, module):
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="differs from its checksum"):
        weights.load_weights(file)
    save_file(dict(module.state_dict()), file, {"card": json.dumps({"architecture": module.settings})})
    assert weights.load_weights(file).settings == module.settings
    newer = {"format": "retrieve weights 99", "architecture": module.settings}
    save_file(dict(module.state_dict()), file, {"card": json.dumps(newer)})
    with pytest.raises(InputError, match="newer retrieve.*update retrieve"):
        weights.card_of(file)


def test_weights_that_are_not_finite_are_refused(file, module):
    state = {name: torch.full_like(t, float("nan")) for name, t in module.state_dict().items()}
    save_file(state, file, {"card": json.dumps({"architecture": module.settings})})
    with pytest.raises(InputError, match="not finite"):
        weights.load_weights(file)
