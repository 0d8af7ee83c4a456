import dataclasses

import numpy as np
import pytest

from retrieve.errors import InputError, OptionError
from retrieve.plugins.options import values_of
from retrieve.priors.training.settings import DenoiserOptions, Training, UNetOptions, window_for
from retrieve.priors.training.state import differing
from retrieve.priors.weights import complete


def test_progress_and_rate():
    training = Training(objects=1000, minutes=10, warmup=0.1, rate=1e-3)
    assert training.progress(500, 60) == 0.5
    assert training.progress(100, 300) == 0.5
    assert training.progress(2000, 0) == 1
    rates = [training.rate_at(p) for p in np.linspace(0, 1, 101)]
    assert np.argmax(rates) == 10
    assert rates[10] == pytest.approx(1e-3)
    assert rates[0] == pytest.approx(1e-6)
    assert rates[-1] == pytest.approx(1e-6)
    assert (np.diff(rates[10:]) < 0).all()
    assert Training(warmup=0).rate_at(0) == pytest.approx(4e-4)
    with pytest.raises(InputError, match="never ends"):
        Training(minutes=None)


@pytest.mark.parametrize(
    "options",
    [
        DenoiserOptions(kind="epsilon", attention="none", window="32x48", scales="none"),
        DenoiserOptions(scales="0.5,2.0", kinds=False),
        UNetOptions(window="48"),
    ],
)
def test_options_come_back_from_a_card(options):
    architecture = options.architecture((64, 64), (13, 20), ("flat", "round"))
    card = {"architecture": architecture, "support_unknown": 0.15, "measurement": {"sigma": 0.1, "lost": 0.06, "stop": 3.0}}
    again = type(options).of(card)
    assert again.architecture((64, 64), (13, 20), ("flat", "round")) == architecture
    wanted = {"attention": ""} | values_of(dataclasses.replace(options, window="x".join(map(str, architecture["window"]))))
    assert {"attention": ""} | values_of(again) == wanted


def test_windows():
    assert window_for("auto", (23, 15), 8) == [48, 32]
    assert window_for("auto", (24,), 8) == [56]
    assert window_for("48", (23, 23), 8) == [48, 48]
    assert window_for("31x49", (15, 24), 8) == [31, 49]
    for asked, reach in (("48", (24, 24)), ("48x48", (3, 3, 3)), ("48x48x48", (3, 3))):
        with pytest.raises(InputError, match="does not hold the objects"):
            window_for(asked, reach, 8)
    with pytest.raises(OptionError, match="whole numbers"):
        window_for("big", (3, 3), 8)


@pytest.mark.parametrize(
    "given",
    [
        *({"widths": "1,x"}, {"widths": "0"}, {"widths": ""}, {"attention": "3"}, {"attention": "-1"}, {"base": 1}),
        *({"scales": "1,x"}, {"scales": "0"}, {"scales": "nan"}, {"scales": "1", "kind": "epsilon"}),
    ],
    ids=str,
)
def test_options_that_make_no_network(given):
    with pytest.raises(OptionError, match=next(iter(given))):
        DenoiserOptions(**given)


def test_differing():
    assert (
        differing({"a": 1, "b": {"c": [1], "d": 2}}, {"a": 1, "b": {"c": [2], "d": 2}, "e": 3}) == "c [1], not [2]; e none, not 3"
    )
    assert differing({"a": {"b": 1}}, {"a": {"b": 1}}) == ""


PAPER = {"base": 128, "widths": [1, 2, 3, 4], "blocks": 2, "attention": [2], "embedding": 512, "patch": 1}


def test_the_paper_s_options_make_its_network():
    options = DenoiserOptions(
        kind="epsilon", conditioned=False, window="64", base=128, widths="1,2,3,4", attention="2", embedding=512, patch=1
    )
    assert complete(options.architecture((64, 64), (23, 23)))["network"] == PAPER
