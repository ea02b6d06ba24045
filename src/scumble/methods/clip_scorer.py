"""The CLIP of an edit, loaded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scumble.methods.cache import Cache, Key

if TYPE_CHECKING:
    from typing import TYPE_CHECKING

    import torch

    from scumble.models.clip import ClipScorer

__all__ = ["scorer_of"]


def clip_key(name: str) -> Key[ClipScorer]:
    """Cache key of the CLIP of this name."""
    return Key(f"clip/{name}", everywhere=True)


def scorer_of(cache: Cache, name: str, device: torch.device) -> ClipScorer:
    """Return the CLIP of an edit, loaded once.

    Raises:
        CheckpointError: If there is none of this name.
    """
    from scumble.models.clip import ClipScorer

    return cache.get_or_make(clip_key(name), lambda: ClipScorer.load(name, device))
