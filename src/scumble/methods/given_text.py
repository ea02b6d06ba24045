"""Text inputs besides the prompts: a second prompt, sizes, embeddings made elsewhere, their length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import BaseModel
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.errors import CheckpointError, InputError
from scumble.models.loading.safetensors_file import tensors_of

if TYPE_CHECKING:
    from scumble.models.base import Model

__all__ = ["GivenText", "given_text", "texts_in"]

SPOKEN = ("prompt", "prompt_2", "text")
"""Ends of the names of fields whose texts the network reads."""
STORED = ("prompt_embeds", "pooled_prompt_embeds", "negative_prompt_embeds", "negative_pooled_prompt_embeds")


@dataclass(frozen=True)
class GivenText:
    """Text of one edit besides prompt and negative prompt.

    Attributes:
        pieces: How many pieces of the encoder's length its longest prompt has: every row gets as many.
        second: What SDXL's second encoder reads instead of the prompt, or None.
        negative_second: The same instead of the negative prompt, or None.
        sizes: SDXL's original height and width, crop from top and left, target height and width; None: the default.
        stored: Tensors in place of prompts, by diffusers' names.
    """

    pieces: int = 1
    second: str | None = None
    negative_second: str | None = None
    sizes: Sequence[int | None] = (None,) * 6
    stored: Mapping[str, Tensor] = field(default_factory=dict)

    def told_sizes(self, cond: Conditioning) -> Conditioning:
        """The conditioning with the sizes that were given."""
        if cond.time_ids is None or all(one is None for one in self.sizes):
            return cond
        ids = cond.time_ids.clone()
        for k, one in enumerate(self.sizes):
            if one is not None:
                ids[:, k] = one
        return replace(cond, time_ids=ids)

    def in_place_of(self, cond: Conditioning, negative: bool) -> Conditioning:
        """The conditioning with the stored tensors of its role in place of what was read from a prompt.

        Raises:
            InputError: If they have another shape than the network reads.
        """
        start = "negative_" if negative else ""
        embeds, pooled = self.stored.get(f"{start}prompt_embeds"), self.stored.get(f"{start}pooled_prompt_embeds")
        if embeds is None:
            return cond
        for what, tensor, like in (("prompt_embeds", embeds, cond.text), ("pooled_prompt_embeds", pooled, cond.pooled)):
            shape = None if like is None else tuple(like.shape[1:])
            given = None if tensor is None else tuple(tensor.shape[1:])
            if given != shape or (tensor is not None and tensor.shape[0] != 1):
                raise InputError(f"{start}{what} has the shape {given}, this network reads {shape} for each prompt")
        device = cond.text.device
        moved = None if pooled is None else pooled.to(device, torch.float32)
        return replace(cond, embeds=embeds.to(device, torch.float32), pooled=moved)


def given_text(model: Model, method: BaseModel, more: Sequence[BaseModel] = (), also_read: str = "") -> GivenText:
    """Collect it from the fields of a method, and of what acts besides.

    Args:
        model: Tells how long prompts are.
        method: The method.
        more: What acts besides.
        also_read: Another prompt, that of an inversion.

    Raises:
        InputError: For embeddings that cannot be read, or beside a prompt.
    """
    second, negative = getattr(method, "prompt_2", None), getattr(method, "negative_prompt_2", None)
    stored = _stored(getattr(method, "prompt_embeds", None), model)
    texts = [text for one in (method, *more) for text in texts_in(one)]
    pieces = max(model.pieces(text) for text in (*texts, also_read)) if model.takes_text else 1
    if "prompt_embeds" in stored and model.takes_text:
        per_piece = model.embed([""]).text.shape[1]
        pieces = max(pieces, stored["prompt_embeds"].shape[1] // per_piece)
    original, target = getattr(method, "original_size", None), getattr(method, "target_size", None)
    crop = getattr(method, "crops_coords_top_left", None)
    sizes = [*(original or (None, None)), *(crop or (None, None)), *(target or (None, None))]
    return GivenText(pieces, second or None, negative or None, sizes, stored)


def texts_in(settings: BaseModel) -> Iterator[str]:
    """Yield every text of a method that its network reads."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        spoken = name.endswith(SPOKEN)
        for one in value if isinstance(value, tuple | list) else [value]:
            if isinstance(one, BaseModel):
                yield from texts_in(one)
            elif spoken and isinstance(one, str):
                yield one


def _stored(file: Any, model: Model) -> dict[str, Tensor]:
    if file is None:
        return {}
    path = Path(file).expanduser()
    if not path.is_file():
        raise InputError(f"--prompt-embeds {path.name!r} is no file here")
    try:
        state = tensors_of(path)
    except CheckpointError as error:
        raise InputError(f"--prompt-embeds: {error}") from error
    if "prompt_embeds" not in state or any(one.dim() != (2 if "pooled" in name else 3) for name, one in state.items()
                                           if name in STORED):  # fmt: skip
        raise InputError(
            f"{path.name} must hold prompt_embeds (1, tokens, width), and may hold {', '.join(STORED[1:])}"
        )
    return {name: state[name] for name in STORED if name in state}
