"""One CLIP text encoder: a prompt as tokens with weights, cut into pieces of the length that it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from scumble.models.forward import embed, embed_pooled
from scumble.models.prompt_weights import weighted_parts
from scumble.models.runtime.base import Runtime
from scumble.models.words import spelled_out

__all__ = ["TextEncoder"]


@dataclass(frozen=True)
class TextEncoder:
    """A tokenizer and the transformer that reads its ids."""

    tokenizer: Any
    network: Any

    @property
    def limit(self) -> int:
        """How many tokens it sees at once, markers included."""
        return min(int(self.tokenizer.model_max_length), int(self.network.config.max_position_embeddings))

    @property
    def room(self) -> int:
        """How many tokens it sees at once between its markers."""
        return self.limit - 2

    @cached_property
    def markers(self) -> tuple[int, int]:
        """The ids before and behind a prompt."""
        first, *_, last = self.tokenizer("").input_ids
        return int(first), int(last)

    def read(self, prompt: str, weighted: bool = False) -> tuple[list[int], list[float]]:
        """Return the ids of a whole prompt without markers, and the weight of each: 1 unless ``weighted`` syntax."""
        ids: list[int] = []
        weights: list[float] = []
        for text, weight in weighted_parts(prompt) if weighted else [(prompt, 1.0)]:
            whole = spelled_out(self.tokenizer, text)
            these = self.tokenizer(whole, add_special_tokens=False, truncation=False, verbose=False).input_ids
            ids += these
            weights += [weight] * len(these)
        return ids, weights

    def pieces(self, ids: list[int], count: int) -> list[list[int]]:
        """Return ``count`` pieces, empty ones at the end where there are fewer; what goes beyond is left out."""
        return [ids[k * self.room : (k + 1) * self.room] for k in range(count)]

    def padded(self, piece: list[int], device: torch.device) -> Tensor:
        """Return the ids (1, limit) that the network is given for a piece: between markers, padded."""
        first, last = self.markers
        ids = [first, *piece, last]
        return torch.tensor([[*ids, *[int(self.tokenizer.pad_token_id)] * (self.limit - len(ids))]], device=device)

    def states(
        self, prompt: str, count: int, device: torch.device, skip: int, weighted: bool, runtime: Runtime | None = None
    ) -> Tensor:
        """Return float32 states (1, count * limit, D) of a prompt's pieces side by side.

        A weight moves a token's state away from that of the empty prompt in its place, or towards it: as ComfyUI and
        compel weigh, ``empty + w (state - empty)``.
        """
        ids, weights = self.read(prompt, weighted)
        states = torch.cat([self._piece(piece, device, skip, runtime) for piece in self.pieces(ids, count)], dim=1)
        return self._weighted(states, weights, count, lambda: self._piece([], device, skip, runtime))

    def pooled_states(
        self, prompt: str, count: int, device: torch.device, skip: int, weighted: bool, runtime: Runtime | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the same states before the last layer, and the pooled embedding (1, P) of the first piece."""
        ids, weights = self.read(prompt, weighted)

        def piece(ids: list[int]) -> tuple[Tensor, Tensor]:
            return embed_pooled(self.network, self.padded(ids, device), skip, runtime)

        outputs = [piece(one) for one in self.pieces(ids, count)]
        states = torch.cat([one for one, _ in outputs], dim=1)
        return self._weighted(states, weights, count, lambda: piece([])[0]), outputs[0][1]

    def _weighted(self, states: Tensor, weights: list[float], count: int, nothing: Callable[[], Tensor]) -> Tensor:
        """Weigh the states of ``count`` pieces; ``nothing`` gives those of an empty one."""
        device = states.device
        if any(weight != 1 for weight in weights[: count * self.room]):
            empty = nothing().repeat(1, count, 1)
            column = torch.ones(count, self.limit, device=device)
            column[:, 1:-1] = torch.tensor(
                [*weights, *[1.0] * (count * self.room)][: count * self.room], device=device
            ).view(count, self.room)
            return empty + column.view(1, -1, 1) * (states - empty)
        return states

    def _piece(self, piece: list[int], device: torch.device, skip: int, runtime: Runtime | None) -> Tensor:
        mask = None
        if getattr(self.network.config, "use_attention_mask", False):
            mask = (torch.arange(self.limit, device=device) < len(piece) + 2).long()[None]
        return embed(self.network, self.padded(piece, device), mask, skip, runtime)
