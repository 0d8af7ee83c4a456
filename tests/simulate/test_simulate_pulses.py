import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from retrieve.cli import main
from retrieve.errors import InputError
from retrieve.simulate import PulseTrain, object_set, record


def counts(made):
    return np.where(made.mask, (made.frames - made.dark) / made.gain / made.flat - made.background, np.nan)


def test_same_seed_same_train_and_zero_is_a_seed():
    train, objects = PulseTrain(frames=4), object_set("crystal2d")
    assert_array_equal(record(objects, train, 0).frames, record(objects, train, 0).frames)
    assert (record(objects, train, 0).frames != record(objects, train, 1).frames).any()
    assert (record(objects, train, 0).frames != record(objects, train, 0, number=1).frames).any()


def test_a_train_is_what_it_says():
    made = record(object_set("crystal2d"), PulseTrain(), 0)
    seen = counts(made)
    totals = np.nanmean(seen, axis=(1, 2))
    assert made.frames.shape == (140, 128, 102)
    assert (~made.good).sum() == 62
    assert np.nanmean(seen[made.good] / made.energy[made.good][:, None, None]) == pytest.approx(0.5, rel=0.1)
    assert np.std(made.energy) == pytest.approx(0.4, abs=0.08)
    dim = totals < 0.05
    assert 15 < dim.sum() < 47  # no beam
    assert not (dim & made.good).any()
    assert made.frames[:, ~made.mask].max() == 0
    assert (~made.mask).any(axis=1).all()  # a gap that crosses every row
    assert made.mask[60:68, 47:55].all()


def test_the_beam_moves_over_the_object():
    still, moving = (record(object_set("crystal2d"), PulseTrain(bad=0, fluctuation=0, photons=50, jitter=j), 0) for j in (0, 2))
    spread = [np.std(counts(made)[:, made.mask], axis=0).sum() for made in (still, moving)]
    assert spread[1] > 1.2 * spread[0]


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [("crystal3d", {}, "square set in 2D"), ("crystal2d", {"rows": 200}, "rows=200, columns=102 do not fit .*at most 128")],
)
def test_what_makes_no_train(name, options, match):
    with pytest.raises(InputError, match=match):
        record(object_set(name), PulseTrain(**options), 0)


def test_the_command(tmp_path, capsys):
    out = tmp_path / "train.h5"
    main(["simulate", "pulses", "--set", "domains2d-10", "--frames", "5", "--bad", "0.4", "--out", str(out)])
    assert "5 pulses of object 0 of domains2d-10, seed 0, 2 of them bad" in " ".join(capsys.readouterr().out.split())
    with h5py.File(out) as file:
        assert file["frames"].shape == (5, 128, 102)
        assert file["known/good"][()].sum() == 3
        assert file["known/truth"].shape == (64, 64)
    with pytest.raises(SystemExit) as stop:
        main(["simulate", "pulses", "--out", str(tmp_path / "train.npz")])
    assert stop.value.code == 2
    assert "end it in .h5" in capsys.readouterr().err
