"""A network ready for many small calls on a processor: its weights in bfloat16, packed once for its convolutions.

Under autocast each call converts and packs all weights anew.
"""

from __future__ import annotations

import copy
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn


class PackedConv(nn.Module):
    """A two-dimensional convolution whose weights oneDNN has packed; the same numbers as `conv`, which is of bfloat16."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        assert not isinstance(conv.padding, str)
        self.settings = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        weight = conv.weight.detach().contiguous(memory_format=torch.channels_last)
        self.weight = torch._C._nn.mkldnn_reorder_conv2d_weight(weight.to_mkldnn(), *self.settings)
        self.bias = None if conv.bias is None else conv.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, channels, *axes), bfloat16."""
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(x, self.weight, self.bias, *self.settings, "none", [], "")
        return found


def packed(network: nn.Module) -> nn.Module:
    """A copy of a network for inference in bfloat16 on a processor; its convolutions are packed where torch can do so."""
    made = copy.deepcopy(network).to(torch.bfloat16).requires_grad_(False)
    if not hasattr(torch._C._nn, "mkldnn_reorder_conv2d_weight") or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return made
    for module in list(made.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Conv2d:
                setattr(module, name, PackedConv(child))
    return made


def lowered(network: nn.Module) -> nn.Module | None:
    """A packed copy of the network where autocast asks a processor for bfloat16 without gradients, else None.

    It is made once, and anew if the weights have changed.
    """
    asked = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    weights = list(network.parameters())
    if torch.is_grad_enabled() or not asked or weights[0].device.type != "cpu":
        return None
    state = [(w.data_ptr(), 0 if w.is_inference() else w._version) for w in weights]
    known = _COPIES.get(network)
    if known is None or known[0] != state:
        known = _COPIES[network] = (state, packed(network))
    return known[1]


_COPIES: WeakKeyDictionary[nn.Module, tuple[list[tuple[int, int]], nn.Module]] = WeakKeyDictionary()
