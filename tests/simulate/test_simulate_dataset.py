import itertools
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.utils.data import DataLoader

from retrieve.errors import InputError
from retrieve.simulate import TRAIN_SEED, Domains2D, Domains3D, Noise, torch_dataset

FILM = Domains2D(size=32, domains=10)


def first(count, dataset, **loader):
    return list(itertools.islice(DataLoader(dataset, batch_size=None, **loader), count))


def test_batches_are_the_objects_of_the_seed_in_order():
    batches = list(itertools.islice(torch_dataset(FILM, batch=4), 3))
    x, support = FILM.objects(12, TRAIN_SEED)
    got = torch.cat([b.x for b in batches]).numpy()
    assert got.dtype == np.float32
    assert got.shape == (12, 2, 32, 32)
    assert_array_equal(got[:, 0] + 1j * got[:, 1], x)
    assert_array_equal(torch.cat([b.support for b in batches]).numpy(), support)
    assert batches[0].amplitude is None


@pytest.mark.parametrize("workers", [1, 2])
def test_the_stream_is_the_same_whatever_the_number_of_workers(workers):
    dataset = torch_dataset(FILM, seed=7, batch=3)
    plain = list(itertools.islice(dataset, 5))
    loaded = first(5, dataset, num_workers=workers)
    for one, other in zip(plain, loaded, strict=True):
        assert torch.equal(one.x, other.x)
    assert len({b.x.numpy().tobytes() for b in loaded}) == 5


def test_a_stream_goes_on_where_it_was_left():
    whole = list(itertools.islice(torch_dataset(FILM, batch=2), 4))
    rest = list(itertools.islice(torch_dataset(FILM, batch=2, start=2), 2))
    assert torch.equal(rest[1].x, whole[3].x)
    assert not torch.equal(next(iter(torch_dataset(FILM, batch=2, seed=1))).x, whole[0].x)


def test_noise_adds_what_was_measured():
    noise = Noise(photons=1e5, beam_stop=3)
    batch = first(1, torch_dataset(FILM, noise, batch=3, seed=7))[0]
    again = FILM.problem(1, 7, noise)
    assert batch.amplitude.dtype == torch.float32
    scale = np.abs(again.truth).max() / np.hypot(*batch.x[1].numpy()).max()
    assert_allclose(batch.amplitude[1].numpy() * scale, again.amplitude, rtol=1e-4, atol=1e-4)
    assert_array_equal(batch.valid[1].numpy(), again.valid)


def test_three_axes_and_pickling():
    dataset = pickle.loads(pickle.dumps(torch_dataset(Domains3D(size=16), batch=2)))
    assert next(iter(dataset)).x.shape == (2, 2, 16, 16, 16)


def test_bad_sizes_are_refused():
    with pytest.raises(InputError, match="batch=0"):
        torch_dataset(FILM, batch=0)
