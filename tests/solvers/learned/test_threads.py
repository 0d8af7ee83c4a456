"""A network gives the same bits in any number of threads, and leaves torch's threads as they were."""

import numpy as np
import pytest
import torch

import retrieve as rt
from retrieve.driver.run_spec import RunSpec
from retrieve.driver.solve import run
from retrieve.numerics.processors import torch_threads
from retrieve.plugins.registry import find
from retrieve.simulate import TUNE_SEED, object_set
from retrieve.solvers.learned.unet import UNet


@pytest.fixture(scope="module")
def film():
    return object_set("domains2d-25-cells").problem(3, TUNE_SEED)


@pytest.mark.parametrize("starts", [1, 3])
def test_one_thread_and_two_give_the_same_bits_and_replay(film, starts, monkeypatch):
    found = []
    for threads in (1, 2):
        monkeypatch.setenv("RETRIEVE_THREADS", str(threads))
        with torch_threads(threads):
            found.append(rt.solve(find("solvers", "unet")(), film, starts=starts, device="cpu"))
            assert torch.get_num_threads() == threads
    np.testing.assert_array_equal(found[0].estimates, found[1].estimates)
    with torch_threads(2):
        again = run(RunSpec.from_record(found[0].manifest), film)
    np.testing.assert_array_equal(again.estimates, found[0].estimates)


@pytest.mark.parametrize("how", [{}, {"executor": "serial"}, {"executor": "threads", "workers": 2}])
def test_a_failure_leaves_the_threads_as_they_were(film, how, monkeypatch):
    def fail(*_):
        assert torch.get_num_threads() == 1
        raise RuntimeError("lost")

    monkeypatch.setattr(UNet, "steps", fail)
    with torch_threads(2):
        with pytest.raises(RuntimeError, match="lost"):
            rt.solve(UNet(), film, starts=2, device="cpu", **how)
        assert torch.get_num_threads() == 2
