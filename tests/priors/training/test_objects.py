"""Where objects come from: simulated sets and folders."""

import itertools

import numpy as np
import pytest
import torch

from retrieve.errors import InputError
from retrieve.io.result import write_problem
from retrieve.priors.training.object_files import read_objects
from retrieve.priors.training.objects import Folder, Simulated, augment
from retrieve.priors.windows import to_pair
from retrieve.simulate import TRAIN_SEED, Noise, object_set
from retrieve.simulate.stack import write_stack

X, SUPPORT = object_set("crystal2d").objects(3, 5)


def pattern(x):
    """|F x| of x (batch, 2, *shape)."""
    return torch.fft.fftn(torch.complex(x[:, 0], x[:, 1]), dim=tuple(range(1, x.ndim - 1))).abs()


@pytest.mark.parametrize("shape", [(6, 8), (5, 8), (4, 6, 5)], ids=str)
def test_turned_objects_have_the_same_pattern(shape):
    x = torch.randn(16, 2, *shape)
    support = torch.rand(16, *shape) < 0.5
    got, told = augment(x * support[:, None], support, torch.Generator().manual_seed(0))
    torch.testing.assert_close(pattern(got), pattern(x * support[:, None]), rtol=1e-4, atol=1e-4)
    assert not got.movedim(1, -1)[~told].any()
    same = (told == support).flatten(1).all(1)
    assert 2 < same.sum() < 14


def test_batches_of_a_set_are_its_objects_turned(film):
    batches = list(itertools.islice(Simulated(film).batches(4, 0, 1), 3))
    x, support = film.objects(12, TRAIN_SEED)
    torch.testing.assert_close(
        pattern(torch.cat([b[0] for b in batches])), pattern(to_pair(torch.from_numpy(x))), rtol=1e-4, atol=1e-4
    )
    assert torch.cat([b[1] for b in batches]).sum() == support.sum()


def test_every_second_batch(film):
    source = Simulated(film)
    every = list(itertools.islice(source.batches(4, 0, 1), 5))
    for got, expected in zip(source.batches(4, 1, 2), every[1::2], strict=False):
        assert torch.equal(got[0], expected[0])


def test_held_objects_are_of_another_seed(film):
    x, support = Simulated(film).held(3)
    expected = film.objects(3, TRAIN_SEED + 1)
    assert torch.equal(x, to_pair(torch.from_numpy(expected[0])))
    assert torch.equal(support, torch.from_numpy(expected[1]))


def test_the_card_of_a_set():
    card = Simulated("domains2d-50-cells").card()
    assert card["data"]["set"] == "domains2d-50-cells"
    assert card["data"]["options"]["domains"] == 50
    assert card["data"]["seed"] == TRAIN_SEED
    assert card["geometry"] == {"shape": [64, 64], "reach": [15, 15], "fill": [0.1594, 0.1594], "domains": [50, 50]}
    assert Simulated("films2d").card()["geometry"]["domains"] == [10, 100]
    assert "domains" not in Simulated("crystal2d").card()["geometry"]


def test_reach_is_of_each_axis():
    objects = object_set("domains3d")
    wanted = np.abs(np.argwhere(objects.objects(1, 0)[1][0]) - 16).max(axis=0)
    assert Simulated(objects).reach == tuple(wanted)


WRITERS = {
    "stack.npz": lambda p: np.savez(p, objects=X),
    "truth.npz": lambda p: np.savez(p, truth=X[0], support=SUPPORT[0], intensity=np.ones((64, 64))),
    "object.npz": lambda p: np.savez(p, object=X[0]),
    "one.npy": lambda p: np.save(p, X[0]),
    "many.npy": lambda p: np.save(p, X.astype(np.complex128)),
    "made.cxi": lambda p: write_problem(object_set("crystal2d").problem(0, 5), p),
    "blind.cxi": lambda p: write_problem(object_set("crystal2d").problem(0, 5, Noise(support="unknown")), p),
    "made.npz": lambda p: write_stack([object_set("crystal2d").problem(k, 5) for k in range(3)], p),
}


@pytest.mark.parametrize("name", WRITERS)
def test_objects_of_a_file(tmp_path, name):
    WRITERS[name](tmp_path / name)
    x, support = read_objects(tmp_path / name)
    assert x.dtype == np.complex64
    assert len(x) in (1, 3)
    for got, expected in zip(x, X, strict=False):
        overlap = np.vdot(got, expected) / np.linalg.norm(got) / np.linalg.norm(expected)
        assert overlap.real == pytest.approx(1, abs=1e-5)  # a measurement has a scale of its own
    np.testing.assert_array_equal(support, SUPPORT[: len(x)])


def test_one_object_of_three_axes(tmp_path):
    x, support = object_set("domains3d").objects(1, 0)
    np.savez(tmp_path / "one.npz", truth=x[0], support=support[0])
    np.save(tmp_path / "one.npy", x)
    for name in ("one.npz", "one.npy"):
        got = read_objects(tmp_path / name)
        np.testing.assert_array_equal(got[0], x)
        np.testing.assert_array_equal(got[1], support)


def test_the_object_of_a_result(tmp_path, easy):
    from retrieve import solve
    from retrieve.solvers import ER

    result = solve(ER(iterations=3), easy.replace(truth=None))
    result.save(tmp_path / "result.cxi")
    np.testing.assert_array_equal(read_objects(tmp_path / "result.cxi")[0][0], result.object)


def test_a_folder(tmp_path):
    np.savez(tmp_path / "a.npz", objects=object_set("crystal2d").objects(21, 5)[0])
    np.save(tmp_path / "b.NPY", X[0])
    (tmp_path / "notes.txt").write_text("not an object")
    folder = Folder(tmp_path)
    assert folder.shape == (64, 64)
    x, support = folder.held(8)
    assert x.shape == (2, 2, 64, 64)
    assert torch.equal(x[1, 0], torch.from_numpy(X[0].real))  # the last of all
    assert support.dtype == torch.bool
    one, other = (next(folder.batches(5, start, 1)) for start in (3, 3))
    assert torch.equal(one[0], other[0])
    assert not torch.equal(one[0], next(folder.batches(5, 4, 1))[0])
    assert folder.reach == tuple(np.abs(np.argwhere((folder.x != 0).any(0).numpy()) - 32).max(axis=0))
    assert folder.card()["data"] == {"folder": tmp_path.name, "objects": 20, "held": 2}
    norms = np.linalg.norm(folder.x[: folder.trained].numpy(), axis=(1, 2))
    got = np.linalg.norm(torch.view_as_complex(one[0].movedim(1, -1).contiguous()).numpy(), axis=(1, 2))
    assert all(np.isclose(norms, g, rtol=1e-5).any() for g in got)


BAD = {
    "nothing": ({}, "holds no file to train on"),
    "one": ({"a.npy": X[0]}, "at least two"),
    "real": ({"a.npy": np.abs(X)}, "float32; complex"),
    "shapes": ({"a.npy": X, "b.npy": X[:, :32]}, "32×64, 64×64"),
    "empty": ({"a.npy": np.zeros_like(X)}, "object 0 of .*0 everywhere"),
    "nan": ({"a.npy": np.where(np.arange(3)[:, None, None] == 1, np.nan, X)}, "object 1 of .*not finite"),
    "axes": ({"a.npy": X[None, None]}, "4 axes"),
    "keys": ({"a.npz": {"other": X}}, "no array objects, truth or object; it has other"),
    "damaged": ({"a.npy": b"\x93NUMPY"}, r"a\.npy cannot be read"),
    "not zip": ({"a.npz": b"nothing"}, r"a\.npz cannot be read"),
    "pattern": ({"a.h5": "pattern"}, "neither a truth nor a result"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_folders(tmp_path, name):
    files, message = BAD[name]
    for file, content in files.items():
        if isinstance(content, bytes):
            (tmp_path / file).write_bytes(content)
        elif isinstance(content, str):
            write_problem(object_set("crystal2d").problem(0, 5).replace(truth=None), tmp_path / file)
        elif isinstance(content, dict):
            np.savez(tmp_path / file, **content)
        else:
            np.save(tmp_path / file, content)
    with pytest.raises(InputError, match=message) as error:
        Folder(tmp_path)
    assert len(str(error.value).splitlines()) == 1


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match="holds no file"):
        Folder(tmp_path / "nowhere")
