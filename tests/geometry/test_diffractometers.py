"""Diffractometers as data: the named ones, and a user's own TOML file."""

import numpy as np
import pytest

from retrieve.errors import InputError
from retrieve.geometry.diffractometers import EXAMPLE, from_toml, named, names, rotation

X, Y, Z = np.eye(3)


def test_the_named_setups():
    assert {"34idc", "id01", "p10", "nanomax", "sixs", "cristal", "id27"} <= set(names())
    for name in names():
        setup = named(name)
        assert setup.source
        assert abs(np.dot(setup.rows, setup.columns)) < 1e-9


@pytest.mark.parametrize("spelling", ["34idc", "34-ID-C", "34ID_C", "ID01 (BLISS)", "ID01SPEC", "NanoMAX"])
def test_a_setup_in_any_spelling(spelling):
    assert named(spelling).sample


def test_rotations_are_right_handed_about_their_axis():
    assert rotation(Y, 90) @ Z == pytest.approx(X, abs=1e-12)
    assert rotation(-X, 90) @ Z == pytest.approx(Y, abs=1e-12)  # a detector on x− goes up
    assert np.linalg.det(rotation((0.6, 0.0, 0.8), 33)) == pytest.approx(1)


def test_the_detector_goes_where_its_angles_send_it():
    ray = named("34idc").turned_detector({"delta": 20.0, "gamma": 10.0}) @ Z
    delta, gamma = np.deg2rad((20, 10))
    assert ray == pytest.approx([np.cos(gamma) * np.sin(delta), np.sin(gamma), np.cos(gamma) * np.cos(delta)])
    assert (named("id01").turned_detector({"nu": 20.0, "delta": 0.0}) @ Z)[0] < 0
    assert named("id27").turned_detector({}) == pytest.approx(np.eye(3))


def test_the_scanned_circle_turns_with_those_around_it():
    assert named("34idc").scan_axis("th", {}) == pytest.approx(Y)
    assert named("sixs").scan_axis("omega", {"mu": 90.0}) == pytest.approx(-Z)  # mu tips it against the beam
    assert named("p10").scan_axis("phi", {"om": 0.0, "chi": 90.0}) == pytest.approx(-Y)
    with pytest.raises(InputError, match="angle of mu is unknown"):
        named("sixs").scan_axis("omega", {})
    with pytest.raises(InputError, match="no circle 'delta'; give the angles of theta, chi, phi"):
        named("34idc").scan_axis("delta", {})


def test_missing_circles():
    assert named("34idc").missing("theta", {"theta": (1, 2), "delta": 3}) == ("gamma",)
    assert named("34idc").missing("phi", {"phi": (1, 2), "del": 3, "gam": 1}) == ("theta", "chi")
    assert named("p10").missing("samth", {"samth": (1, 2), "e2_t02": 1}) == ()


def test_an_own_diffractometer(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(EXAMPLE)
    setup = named(str(path))
    assert (setup.name, setup.sample[0].axis, setup.columns) == ("mine", (-1, 0, 0), (1, 0, 0))
    tilted = EXAMPLE.replace('axis = "x-" }]\ndetector', "axis = [0, 3, 4] }]\ndetector")
    assert from_toml(tilted, "tilted").sample[0].axis == pytest.approx((0, 0.6, 0.8))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "mine is no TOML"),
        ('name = "a"', "mine lacks columns, detector, rows, sample"),
        (EXAMPLE + "\ncolour = 3", "unknown keys colour"),
        (EXAMPLE.replace('rows = "y-"', 'rows = "x-"'), "not at right angles"),
        (EXAMPLE.replace('rows = "y-"', 'rows = "up"'), "mine: rows: 'up' is no direction"),
        (EXAMPLE.replace('axis = "x-"', "axis = [0, 0, 0]", 1), "no direction"),
        (EXAMPLE.replace("axis", "axle", 1), "write each circle like"),
    ],
)
def test_a_faulty_description_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        from_toml(text, "mine")


def test_an_unknown_name():
    with pytest.raises(InputError, match=r"'id1' is unknown \(did you mean id01\?\); give one of 34idc, "):
        named("id1")
    with pytest.raises(InputError, match=r"none\.toml does not exist"):
        named("none.toml")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe name", EXAMPLE.replace('[{ name = "eta", axis = "x-" }]', "5").encode(), b"a = " + b"[" * 5000]
)
def test_a_file_that_is_no_text_or_has_other_types(tmp_path, content):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.toml.* write it like"):
        named(str(path))
