import torch

from retrieve.priors.graphs import Replayed


def test_off_a_card_the_function_itself_is_called():
    seen = []

    def function(x, scale, more):
        seen.append(more)
        return x * scale

    x = torch.arange(4.0)
    replayed = Replayed(function)
    torch.testing.assert_close(replayed(x, torch.tensor(2.0), None), 2 * x)
    assert seen == [None]
    assert not replayed.known
