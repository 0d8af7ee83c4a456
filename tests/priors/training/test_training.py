"""The training loop: resuming, stopping, failing, and that it learns."""

import errno
import time

import numpy as np
import pytest
import torch

from retrieve.errors import InputError, RetrieveError
from retrieve.priors.denoiser import SIGMA_DATA
from retrieve.priors.precision import precision_of, training_precision
from retrieve.priors.training.checkpoint import read_checkpoint
from retrieve.priors.training.diffusion_task import SIGMA_BINS
from retrieve.priors.training.loop import train, training_record
from retrieve.priors.training.objects import Simulated
from retrieve.priors.training.settings import Training
from retrieve.simulate import Domains2D


def stopping(objects):
    """Stops a training after so many objects."""
    return lambda told: told.objects >= objects


@pytest.mark.parametrize(
    ("options", "at"),
    [({}, 32), ({}, 64), pytest.param({"patch": 2, "attention": [0]}, 32, marks=pytest.mark.slow)],
    ids=["plain", "after the last step", "folded"],
)
def test_a_resumed_training_is_the_uninterrupted_one(tmp_path, task, brief, options, at, same):
    straight = train(task(**options), brief(), tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        train(task(**options), brief(), tmp_path / "halved", on_step=stopping(at))
    assert read_checkpoint(tmp_path / "halved")["objects"] == at
    resumed = train(task(**options), brief(), tmp_path / "halved")
    assert same(dict(straight.state_dict()), dict(resumed.state_dict()))
    one, other = (read_checkpoint(tmp_path / name) for name in ("straight", "halved"))
    for part in ("module", "average", "optimiser", "step", "objects"):
        assert same(one[part], other[part]), part
    assert one["validation"] == other["validation"]


@pytest.mark.slow
def test_half_of_the_way_is_not_the_end(tmp_path, task, brief, same):
    """What the test above would not see if training did nothing after the checkpoint."""
    with pytest.raises(KeyboardInterrupt):
        train(task(), brief(), tmp_path, on_step=stopping(32))
    half = read_checkpoint(tmp_path)
    train(task(), brief(), tmp_path)
    assert not same(half["module"], read_checkpoint(tmp_path)["module"])
    assert not same(half["average"], list(half["module"].values()))


@pytest.mark.slow
def test_an_interrupt_anywhere_keeps_a_checkpoint_that_can_be_gone_on_with(tmp_path, task, brief, monkeypatch, same):
    straight = train(task(), brief(), tmp_path / "straight")
    made, forward = task(), type(task().module).forward

    def interrupted(module, *args):
        if len(calls := interrupted.calls) == 5:
            raise KeyboardInterrupt
        calls.append(1)
        return forward(module, *args)

    interrupted.calls = []
    monkeypatch.setattr(type(made.module), "forward", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(made, brief(), tmp_path / "broken")
    assert read_checkpoint(tmp_path / "broken")["objects"] == 40
    monkeypatch.undo()
    resumed = train(task(), brief(), tmp_path / "broken")
    assert same(dict(straight.state_dict()), dict(resumed.state_dict()))


@pytest.mark.slow
def test_a_finished_training_is_left_alone_and_a_longer_one_goes_on(tmp_path, task, brief, log_of):
    told = []
    train(task(), brief(), tmp_path)
    before = (tmp_path / "checkpoint.pt").stat().st_mtime_ns
    train(task(), brief(), tmp_path, on_step=lambda t: told.append(t) and None)
    assert (tmp_path / "checkpoint.pt").stat().st_mtime_ns == before
    assert len(told) == 1
    assert told[0].objects == 64
    assert told[0].validation
    assert [row["objects"] for row in log_of(tmp_path)] == ["64"]
    train(task(), brief(objects=96), tmp_path)
    assert [row["objects"] for row in log_of(tmp_path)] == ["64", "96"]
    assert read_checkpoint(tmp_path)["step"] == 12


@pytest.mark.slow
def test_the_clock_goes_on_where_it_was_left(tmp_path, task, brief):
    with pytest.raises(KeyboardInterrupt):
        train(task(), brief(), tmp_path, on_step=stopping(32))
    state = read_checkpoint(tmp_path)
    torch.save({key: value for key, value in state.items() if key != "sha256"} | {"seconds": 3600.0}, tmp_path / "checkpoint.pt")
    told = []
    train(task(), brief(minutes=60.001, objects=None), tmp_path, on_step=lambda t: told.append(t) and None)
    assert 3600 < told[0].seconds <= told[-1].seconds < 3700
    assert told[-1].progress == 1
    assert told[-1].objects < 2000


@pytest.mark.slow
def test_the_log_is_written_as_often_as_asked(tmp_path, task, brief, log_of):
    train(task(), brief(validate_every=1e-6), tmp_path)
    rows = log_of(tmp_path)
    assert [int(row["objects"]) for row in rows] == list(range(8, 65, 8))
    assert all(float(row[f"mse@{level:.3g}"]) > 0 for row in rows for level in SIGMA_BINS)
    assert sorted(p.name for p in tmp_path.glob("*.png")) == [f"picture-{n:09d}.png" for n in range(8, 65, 8)]
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []


@pytest.mark.slow
def test_validation_does_not_touch_the_training(tmp_path, task, brief, same):
    often = train(task(), brief(validate_every=1e-6, checkpoint_every=1e-6), tmp_path / "often")
    never = train(task(), brief(), tmp_path / "never")
    assert same(dict(often.state_dict()), dict(never.state_dict()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"base": 16}, "another network, with base 8, not 16"),
        ({"window": (16, 16)}, r"another network, with window \[12, 12\], not \[16, 16\]"),
        ({"source": Simulated(Domains2D(size=16, domains=4, kind="blobs", fill=0.3))}, "other objects, with domains 3, not 4"),
    ],
    ids=["network", "window", "objects"],
)
def test_the_folder_of_another_training(tmp_path, task, brief, made, message):
    train(task(), brief(objects=8), tmp_path)
    with pytest.raises(InputError, match=message):
        train(task(**made), brief(), tmp_path)


def test_a_damaged_checkpoint(tmp_path, task, brief):
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match=r"checkpoint\.pt is no checkpoint .* remove it") as error:
        train(task(), brief(), tmp_path)
    assert len(str(error.value).splitlines()) == 1
    torch.save({"architecture": {}}, tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="lacks settings; remove it"):
        train(task(), brief(), tmp_path)


def test_a_checkpoint_of_the_first_version(tmp_path, task, brief):
    """One that knows neither card nor loss, and whose averaged weights ask for gradients."""
    train(task(), brief(objects=32), tmp_path)
    state = read_checkpoint(tmp_path)
    kept = ("settings", "module", "optimiser", "step", "objects", "seconds", "average", "architecture")
    old = {name: state[name] for name in kept}
    old["average"] = [mean.requires_grad_(True) for mean in old["average"]]
    old["architecture"]["network"].pop("blocks")
    torch.save(old | {"rng": torch.Generator().get_state()}, tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="blocks 2, not 1"):
        train(task(), brief(), tmp_path)
    old["architecture"]["network"]["blocks"] = 1
    torch.save(old, tmp_path / "checkpoint.pt")
    train(task(), brief(), tmp_path)
    assert read_checkpoint(tmp_path)["objects"] == 64


def test_a_loss_that_is_not_finite_stops_it_and_keeps_the_last_checkpoint(tmp_path, task, brief, same):
    with pytest.raises(KeyboardInterrupt):
        train(task(), brief(), tmp_path, on_step=stopping(16))
    before = read_checkpoint(tmp_path)
    made = task()
    made.batches = lambda *_: (tuple(part * float("nan") for part in batch) for batch in task().batches(8, 0, 1))
    with pytest.raises(RetrieveError, match="loss is nan after .* lower rate"):
        train(made, brief(), tmp_path)
    assert same(before["module"], read_checkpoint(tmp_path)["module"])


@pytest.mark.slow
def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, task, brief, monkeypatch):
    train(task(), brief(), tmp_path)

    def full(number, block):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("retrieve.files.partial.os.write", full)
    with pytest.raises(RetrieveError, match="cannot write .*No space left"):
        train(task(), brief(objects=96), tmp_path)
    assert read_checkpoint(tmp_path)["objects"] == 64


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision(tmp_path, task, brief, precision):
    module = train(task(), brief(precision=precision), tmp_path)
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in module.parameters())


def test_volumes_are_trained_in_float32_unless_another_is_asked_for():
    """The gradient of a 3D convolution in bfloat16 is wrong on some processors."""
    film, volume = torch.nn.Conv2d(2, 2, 3), torch.nn.Conv3d(2, 2, 3)
    cpu, card = torch.device("cpu"), torch.device("meta")
    assert training_precision("auto", volume, cpu) == torch.float32
    assert training_precision("bfloat16", volume, cpu) == torch.bfloat16
    assert training_precision("auto", film, cpu) == precision_of("auto", cpu)
    assert training_precision("auto", volume, card) == precision_of("auto", card)


@pytest.mark.slow
def test_it_learns(tmp_path, task):
    """A minute's version of benchmarks/train_prior.py: better than the best factor within the support, by far."""
    source = Simulated(Domains2D(size=16, domains=3, kind="blobs", fill=0.3))
    made = task(source=source, base=16, embedding=32)
    made.unknown, made.validation = 0.0, 128
    told = []
    settings = Training(objects=6000, minutes=None, batch=16, rate=3e-3, precision="float32")
    train(made, settings, tmp_path, on_step=lambda t: told.append(t) and None)
    fill = float(made.prepared(*source.held(8))[1].mean())
    ratio = {}
    for level, mse in zip(SIGMA_BINS, told[-1].validation.values(), strict=True):
        noise = 2 * (level * SIGMA_DATA) ** 2
        ratio[level] = mse / (noise / (1 / fill + noise))  # the object's power is 1/fill within the support
    assert all(ratio[level] < 0.6 for level in SIGMA_BINS[5:9]), ratio
    assert all(ratio[level] < 0.9 for level in SIGMA_BINS[4:]), ratio
    assert np.mean([t.loss for t in told[-50:]]) < 0.6 * np.mean([t.loss for t in told[:50]])


def test_the_record(tmp_path, task, brief):
    told = []
    module = train(task(), brief(), tmp_path, on_step=lambda t: told.append(t) and None)
    found = training_record(brief(), told[-1], module, "cpu")
    assert found["objects"] == 64
    assert found["precision"] == "float32"
    assert found["torch"] == torch.__version__
    assert 0 < found["loss"] < 2
    assert set(found["validation"]) == {f"mse@{level:.3g}" for level in SIGMA_BINS}


DAMAGED = {
    "a changed weight": (lambda state: next(iter(state["module"].values())).add_(1), "differs from its checksum"),
    "a newer version": (lambda state: state.update(format="retrieve training 99"), "newer retrieve.*update retrieve"),
    "no step": (lambda state: state.update(step=None), "step=None, not a valid integer; remove it"),
    "weights of text": (lambda state: state.update(module={"a": "b"}), "module=.* which cannot be"),
    "a huge network": (lambda state: state["architecture"]["network"].update(blocks=10**9), "blocks=1000000000"),
    "an optimiser's state cut": (lambda state: state["optimiser"]["state"][0].pop("exp_avg"), "does not fit the network"),
    "an optimiser of a number": (lambda state: state.update(optimiser={"state": 3}), "does not fit the network"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_checkpoint_that_was_damaged_or_edited_is_refused(tmp_path, task, brief, name):
    change, told = DAMAGED[name]
    train(task(), brief(objects=16), tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    change(state)
    if "checksum" not in told:
        del state["sha256"]
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match=told):
        train(task(), brief(objects=32), tmp_path)


def test_a_short_training_validates_on_few_objects_and_counts_it(task, brief, tmp_path):
    """Each object takes 0.02 s, all of them forty seconds of three."""

    class Slow(type(task())):
        def validate(self, module):
            time.sleep(0.02 * self.validation)
            return super().validate(module)

    slow = task()
    slow.__class__, slow.validation = Slow, 2000
    told = []
    train(slow, brief(minutes=0.05, objects=None), tmp_path, on_step=lambda t: told.append(t) and None)
    assert slow.validation <= 15
    assert told[0].check_seconds >= 8 * 0.02
    assert told[-1].progress == 1
    assert told[-1].seconds >= 3
    assert read_checkpoint(tmp_path)["finished"]
