"""A hash of all that decides what a model computes: weights, adapters, settings and schedule as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from scumble.hashing import sha256, tensor_sha256
from scumble.models.base import Model
from scumble.models.runtime.base import made_with

__all__ = ["content_mark", "model_mark", "picture_mark"]

BLOCK = 4096
"""Integers that are summed together."""
USUAL = frozenset(vars(nn.Module())) - {"training"}
"""Attributes that every module has."""


def content_mark(network: nn.Module) -> str | None:
    """Return a hash of a network's weights and settings; None where something foreign acts, or weights lie elsewhere.

    Weights are summed as integers block by block, a fraction of what one call costs. What was written to them in any
    way counts, also behind autograd's back (``weight.data += …``).
    """
    config: Any = getattr(network, "config", {})
    settings = config if isinstance(config, Mapping) else config.to_dict()
    parts = [repr(sorted(settings.items(), key=str))]
    for name, module in network.named_modules():
        if module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module):
            return None
        processor = getattr(module, "processor", None)
        parts.append(f"{name} {_plain(module)} {'' if processor is None else _plain(processor)}")
    sums: list[Tensor] = []
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if tensor.is_meta:
            return None
        parts.append(f"{name} {tensor.dtype} {tuple(tensor.shape)}")
        sums.append(_block_sums(tensor.detach()))
    return sha256("\n".join(parts), *(one.cpu().numpy().tobytes() for one in sums))


def picture_mark(model: Model) -> str | None:
    """Return a hash of what decides how a model encodes and decodes a picture; None: it cannot be known."""
    vae = getattr(model, "vae", None)
    mark = "" if vae is None else content_mark(vae)
    return None if mark is None else sha256(type(model).__qualname__, str(model.factor), _surroundings(model), mark)


def model_mark(model: Model) -> str | None:
    """Return a hash of what decides a model's predictions of a picture; None: it cannot be known."""
    text: Any = getattr(model, "text", None)
    encoders = () if text is None else text.encoders
    networks = [model.denoiser, *(one.network for one in encoders)]
    marks = [picture_mark(model), *(content_mark(one) for one in networks)]
    settings = [repr(sorted(model.schedule.config.items(), key=str)), model.schedule.prediction_type, model.clip_sample]
    words = [getattr(text, name, 0) for name in ("skip", "weighted", "most")]
    words += [len(one.tokenizer) for one in encoders]
    if model.control is not None:
        marks.append(content_mark(model.control.network))
        settings += [model.control.picture.sha256, model.control.scale]
    if model.image_prompt is not None:
        settings += [tensor_sha256(model.image_prompt.tokens), model.image_prompt.scale]
    return None if None in marks else sha256(*(f"{one}\n" for one in (*marks, *settings, *words)))


def _surroundings(model: Model) -> str:
    """Where it computes: what answers, on how many threads, in what precision."""
    precision = torch.get_float32_matmul_precision()
    return " ".join(map(str, (*made_with(model), model.device, model.dtype, torch.get_num_threads(), precision)))


def _plain(thing: object) -> str:
    """Kind and plain attributes of a module or an attention processor: FreeU, strengths of adapters, what is off."""
    plain = {name: value for name, value in vars(thing).items() if name not in USUAL and _is_plain(value)}
    return f"{type(thing).__qualname__} {sorted(plain.items())}"


def _is_plain(value: object) -> bool:
    if isinstance(value, Mapping):
        return len(value) > 0 and all(_is_plain(one) for one in (*value.keys(), *value.values()))
    if isinstance(value, list | tuple):
        return all(_is_plain(one) for one in value)
    return isinstance(value, bool | int | float | str)


def _block_sums(tensor: Tensor) -> Tensor:
    """The bits of a tensor as integers, summed in blocks: int64, wrapping around. A small one is its own sum."""
    data = tensor.contiguous().reshape(-1)
    if data.numel() * data.element_size() <= 8 * BLOCK:
        return data.view(torch.uint8)
    if data.storage_offset() * data.element_size() % 8:
        data = data.clone()
    data = data.view(torch.uint8)
    whole = data.shape[0] // 8 * 8
    bits = data[:whole].view(torch.int64)
    blocks = bits.shape[0] // BLOCK * BLOCK
    rest = torch.stack([bits[blocks:].sum(), data[whole:].sum()])
    return torch.cat([bits[:blocks].view(-1, BLOCK).sum(1), rest])
