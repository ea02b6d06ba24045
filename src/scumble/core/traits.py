"""Traits that controls declare, so that conflicts are found without knowing the classes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AttentionRead", "Replacement", "Traits"]


@dataclass(frozen=True)
class Replacement:
    """Attention modules whose maps, queries or keys are overwritten.

    Attributes:
        layers: Paths of the modules.
        steps: Steps of the run at which they are.
    """

    layers: frozenset[str]
    steps: frozenset[int]


@dataclass(frozen=True)
class AttentionRead:
    """Cross-attention that a gradient is taken through.

    Attributes:
        name: What errors call the reader.
        layers: Paths of the modules.
        steps: Steps of the run at which it is read.
    """

    name: str
    layers: frozenset[str]
    steps: frozenset[int]


@dataclass(frozen=True)
class Traits:
    """Declared properties of a control in a run; everything is off by default.

    Attributes:
        keeps: What says which part of the image is kept, in words (``a change map``), or empty.
        replaces_self_attention: Self-attention that it overwrites.
        replaces_cross_attention: Cross-attention of which it leaves nothing at these steps.
        takes_gradient: Cross-attention that it needs a gradient from.
        edits_attention: Whether it acts through the attention of the edited branches.
        evaluates_twice: Whether it evaluates the edited branches a second time.
        needs_one_visit: Whether it is valid for one visit of each level only.
        repeats_steps: Whether it takes a step several times.
        comes_last: Whether it must stand behind whatever moves the mean.
        pointwise: Whether it works cell by cell: what it makes of one cell depends on no other.
    """

    keeps: str = ""
    replaces_self_attention: Replacement | None = None
    replaces_cross_attention: Replacement | None = None
    takes_gradient: tuple[AttentionRead, ...] = ()
    edits_attention: bool = False
    evaluates_twice: bool = False
    needs_one_visit: bool = False
    repeats_steps: bool = False
    comes_last: bool = False
    pointwise: bool = False
