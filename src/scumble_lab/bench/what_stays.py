"""A case's words without those of what it changes: what is said beside a direction, which brings the new by itself."""

from __future__ import annotations

from scumble_lab.bench.case import Sample
from scumble_lab.world.captions import FLOOR_PHRASES, SKY_PHRASES, noun_phrase

__all__ = ["what_stays"]


def what_stays(sample: Sample) -> str:
    """The source's prompt without the old floor, sky, color or material; whole for other tasks.

    Told the old value as well, the model would hold on to it.
    """
    case, scene, said = sample.case, sample.case.scene_before, sample.case.source_prompt
    if scene is None or case.task not in ("floor", "sky", "recolour", "rematerial"):
        return said
    if case.task == "floor":
        return said.replace(f" {FLOOR_PHRASES[scene.floor]}", "")
    if case.task == "sky":
        return said.replace(f" {SKY_PHRASES[scene.sky]}", "")
    phrase = noun_phrase(scene.objects[case.edited])
    return said.replace(phrase, _without(phrase, case.old_word or ""), 1)


def _without(phrase: str, word: str) -> str:
    """A noun phrase without one of its words, with the article that the next one wants."""
    _, *words = (one for one in phrase.split() if one != word)
    return " ".join(["an" if words[0][0] in "aeiou" else "a", *words])
