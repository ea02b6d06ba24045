"""The layout energies of self-guidance, from the fields of :class:`WordWishes` (arXiv 2306.00986)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scumble.energies.attention import Centroid, Shape, Size
from scumble.energies.attention_maps import Transform
from scumble.energies.look import Appearance, Tint
from scumble.energies.protocol import Steps, WeightedEnergy
from scumble.energies.sites import attention_sites, columns_of, common_columns, feature_site
from scumble.energies.words import Columns
from scumble.errors import InputError
from scumble.methods.batch import EditBatch
from scumble.methods.guidance.layout_fields import WordWishes
from scumble.methods.guidance.layout_rules import LayoutRules
from scumble.methods.guidance.reference import Reference

__all__ = ["layout_energies"]

REST = "*"
"""Stands for all words that no other field names."""
RULES = LayoutRules()


def layout_energies(
    wishes: WordWishes,
    batch: EditBatch,
    prompt: str,
    source: str,
    steps: Steps,
    references: Sequence[Reference] = (),
    rules: LayoutRules = RULES,
) -> list[WeightedEnergy]:
    """Return the energies that the fields describe.

    Args:
        wishes: The fields.
        batch: The batch, for its model.
        prompt: The run's prompt.
        source: The prompt of the source that it is compared with.
        steps: When the energies act.
        references: Other images.
        rules: How words are looked up and silhouettes drawn.

    Raises:
        InputError: If a phrase is not in its prompt.
    """
    sites = attention_sites(batch.model.denoiser, batch.shape)
    features = feature_site(batch.model.denoiser)
    smooth = rules.smooth if wishes.near_zero == "smooth" else 0.0
    kind: dict[str, Any] = {"sites": sites, "smooth": smooth}
    edited = [*dict.fromkeys([*wishes.move, *wishes.put, *wishes.resize, *wishes.rotate])]
    taken = [phrase for r in references for phrase in r.words]
    guides: list[WeightedEnergy] = []
    free: list[tuple[Columns, Transform]] = []

    def add(energy: Any, weight: float) -> None:
        guides.append(WeightedEnergy(energy, weight, steps=steps))

    for phrase in edited:
        columns = rules.columns(batch.model, phrase, prompt, source)
        shift, scale = wishes.move.get(phrase, (0.0, 0.0)), wishes.resize.get(phrase, 1.0)
        if scale <= 0:
            raise InputError(f"resize {phrase!r} by {scale:g}: the factor must be above 0")
        whole = wishes.by == "shape" and phrase not in wishes.put
        if whole:
            about = wishes.about or rules.pivot(wishes, phrase)
            transform = Transform(shift, scale, wishes.rotate.get(phrase, 0.0), about)
            free += rules.freed(columns, transform)
            add(Shape(**kind, columns=columns, transform=transform, hard=rules.hard), wishes.move_weight)
            continue
        target = wishes.put.get(phrase)
        add(Centroid(**kind, columns=columns, target=target, by=shift, sharp=rules.sharp), wishes.move_weight)
        add(Size(**kind, columns=columns, factor=scale**2), wishes.move_weight)
    moving = [rules.phrase(phrase, prompt) for phrase in edited]
    rest = common_columns(batch.model, prompt, source, [*moving, *taken])
    whole_prompt = common_columns(batch.model, prompt, source, taken)
    shapes = wishes.keep_shape if wishes.keep_shape is not None else ((REST,) if edited else ())
    looks = wishes.keep_look if wishes.keep_look is not None else ((REST,) if edited else ())
    for columns in _named(batch, shapes, rest, prompt, source):
        add(Shape(**kind, columns=columns, hard=rules.hard, free=tuple(free)), wishes.shape_weight)
    for columns in _named(batch, looks, whole_prompt, prompt, source):
        add(Appearance(**kind, columns=columns, features=features), wishes.look_weight)
    for k, reference in enumerate(references):
        for phrase, theirs in reference.words.items():
            columns = Columns(
                tuple(batch.model.word_tokens(prompt, phrase)), tuple(batch.model.word_tokens(reference.prompt, theirs))
            )
            read = {**kind, "columns": columns, "source": f"reference{k}"}
            if "look" in reference.take:
                add(Appearance(**read, features=features), wishes.look_weight * reference.weight)
            if "colour" in reference.take:
                add(Tint(**read), reference.weight)
            if "shape" in reference.take:
                add(Shape(**read, hard=rules.hard), wishes.shape_weight * reference.weight)
    return guides


def _named(batch: EditBatch, phrases: Sequence[str], rest: Columns, prompt: str, source: str) -> list[Columns]:
    named = [columns_of(batch.model, phrase, prompt, source) for phrase in phrases if phrase != REST]
    return [*named, *([rest] if REST in phrases and rest.own else [])]
