"""What a person may wish for the things that words name, as fields and as energies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from scumble.errors import InputError
from scumble.methods.base import Method
from scumble.methods.guidance.reference import Reference

if TYPE_CHECKING:
    from scumble.energies.attention import Columns, Transform
    from scumble.energies.protocol import Steps, WeightedEnergy
    from scumble.methods.batch import EditBatch

__all__ = ["WordWishes", "layout_energies"]

REST = "*"
"""Stands for all words that are not named otherwise."""


class WordWishes(Method):
    """Fields that say what is to become of the things that words name."""

    move: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Phrase: how far to the right and down, in shares of the picture, such as {"red cube": [0.2, 0]}."""
    put: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Phrase: where its centre is to be, 0 to 1 from the left and from the top, such as {"cube": [0.5, 0.6]}."""
    resize: dict[str, float] = Field(default_factory=dict)
    """Phrase: how many times as wide and high, such as {"cube": 1.5}."""
    about: Literal["centre", "foot"] | None = None
    """What stays in its place when a silhouette is resized: its foot, as with standing things, or its centre. By
    default the foot, and the centre for what is turned too and for compat official."""
    rotate: dict[str, float] = Field(default_factory=dict)
    """Phrase: degrees counter-clockwise by which its silhouette is turned."""
    keep_shape: tuple[str, ...] | None = None
    """Phrases that stay where and what shape they are; * for all that are not named otherwise, the default."""
    keep_look: tuple[str, ...] | None = None
    """Phrases that keep their look, wherever they are; * for all words, the default."""
    by: Literal["shape", "centre"] = "shape"
    """Move and resize by the whole silhouette, or by its centre and size alone, which leaves the shape free."""
    move_weight: float = Field(default=4.0, ge=0, le=1e4)
    """Weight of what is to change."""
    shape_weight: float = Field(default=1.0, ge=0, le=1e4)
    """Weight of shapes that stay."""
    look_weight: float = Field(default=0.1, ge=0, le=1e4)
    """Weight of looks that stay."""


def layout_energies(
    wishes: WordWishes,
    batch: EditBatch,
    prompt: str,
    source: str,
    steps: Steps,
    official: bool = False,
    references: Sequence[Reference] = (),
) -> list[WeightedEnergy]:
    """Turn wishes into energies at work.

    Args:
        wishes: What is wished.
        job: Whose model counts.
        prompt: What the run shows.
        source: What the picture shows that it is compared with.
        steps: When the energies act.
        official: Plain centres and hard silhouettes, as published.
        references: Other pictures.

    Raises:
        InputError: If a phrase is not in its prompt.
    """
    from scumble.energies.attention import Appearance, Centroid, Columns, Shape, Size, Tint, Transform
    from scumble.energies.protocol import WeightedEnergy
    from scumble.energies.sites import (
        attention_sites,
        columns_of,
        common_columns,
        described,
        feature_site,
        head_columns,
    )

    sites = attention_sites(batch.model.denoiser, batch.shape)
    features = feature_site(batch.model.denoiser)
    kind: dict[str, Any] = {"sites": sites}
    edited = [*dict.fromkeys([*wishes.move, *wishes.put, *wishes.resize, *wishes.rotate])]
    taken = [phrase for r in references for phrase in r.words]
    guides: list[WeightedEnergy] = []
    look_up = columns_of if official else head_columns
    free: list[tuple[Columns, Transform]] = []

    def add(energy: Any, weight: float) -> None:
        guides.append(WeightedEnergy(energy, weight, steps=steps))

    for phrase in edited:
        columns = look_up(batch.model, phrase, prompt, source)
        shift, scale = wishes.move.get(phrase, (0.0, 0.0)), wishes.resize.get(phrase, 1.0)
        if scale <= 0:
            raise InputError(f"resize {phrase!r} by {scale:g}: the factor must be above 0")
        whole = wishes.by == "shape" and phrase not in wishes.put
        if whole:
            about = wishes.about or ("centre" if official or phrase in wishes.rotate else "foot")
            transform = Transform(shift, scale, wishes.rotate.get(phrase, 0.0), about)
            free += [] if official else [(columns, transform)]
            add(Shape(**kind, columns=columns, transform=transform, hard=official), wishes.move_weight)
            continue
        target = wishes.put.get(phrase)
        add(Centroid(**kind, columns=columns, target=target, by=shift, sharp=not official), wishes.move_weight)
        add(Size(**kind, columns=columns, factor=scale**2), wishes.move_weight)
    # Where the thing goes its describing words must be free to go too.
    moving = edited if official else [described(phrase, prompt) for phrase in edited]
    rest = common_columns(batch.model, prompt, source, [*moving, *taken])
    whole_prompt = common_columns(batch.model, prompt, source, taken)
    shapes = wishes.keep_shape if wishes.keep_shape is not None else ((REST,) if edited else ())
    looks = wishes.keep_look if wishes.keep_look is not None else ((REST,) if edited else ())
    for columns in _named(batch, shapes, rest, prompt, source):
        add(Shape(**kind, columns=columns, hard=official, free=tuple(free)), wishes.shape_weight)
    for columns in _named(batch, looks, whole_prompt, prompt, source):
        add(Appearance(**kind, columns=columns, features=features), wishes.look_weight)
    for k, reference in enumerate(references):
        for phrase, theirs in reference.words.items():
            columns = Columns(
                tuple(batch.model.word_tokens(prompt, phrase)), tuple(batch.model.word_tokens(reference.prompt, theirs))
            )
            own = {**kind, "columns": columns, "source": f"reference{k}"}
            if "look" in reference.take:
                add(Appearance(**own, features=features), wishes.look_weight * reference.weight)
            if "colour" in reference.take:
                add(Tint(**own), reference.weight)
            if "shape" in reference.take:
                add(Shape(**own, hard=official), wishes.shape_weight * reference.weight)
    return guides


def _named(batch: EditBatch, phrases: Sequence[str], rest: Columns, prompt: str, source: str) -> list[Columns]:
    from scumble.energies.sites import columns_of

    found = [columns_of(batch.model, phrase, prompt, source) for phrase in phrases if phrase != REST]
    return [*found, *([rest] if REST in phrases and rest.own else [])]
