"""The arithmetic of networks: which precision a machine computes in, for inference and for training."""

from __future__ import annotations

import torch
from torch import nn


def precision_of(asked: str, device: torch.device) -> torch.dtype:
    """The type that `asked` names; of `auto`, bfloat16 if the machine computes in it, else float32 (float16 on a card)."""
    if asked != "auto":
        found: torch.dtype = getattr(torch, asked)
        return found
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    has = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return torch.bfloat16 if has() else torch.float32


def training_precision(asked: str, module: nn.Module, device: torch.device) -> torch.dtype:
    """As `precision_of`, but `auto` is float32 for a network of three axes on a processor.

    There the gradient of a 3D convolution's weights in bfloat16 is wrong if its first axis has 2 px (torch 2.13).
    """
    volumes = any(p.ndim == 5 for p in module.parameters())
    return torch.float32 if volumes and (asked, device.type) == ("auto", "cpu") else precision_of(asked, device)


def autocast(dtype: torch.dtype, device: torch.device) -> torch.autocast:
    """In this context networks compute in `dtype`."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def arithmetic(asked: str, device: torch.device) -> torch.autocast:
    """In this context networks compute in the precision asked for; see `precision_of`."""
    return autocast(precision_of(asked, device), device)
