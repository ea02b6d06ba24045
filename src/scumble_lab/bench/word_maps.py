"""Maps that the bundled model makes from the word of the edited thing, in place of the true ones."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from scumble.editing.editor import Editor
from scumble.editing.maps_from_words import word_map
from scumble_lab.bench.case import Sample

__all__ = ["found_map"]


@cache
def _editor() -> Editor:
    return Editor.from_pretrained()


def found_map(sample: Sample) -> npt.NDArray[np.bool_]:
    """Return where the edited thing's word looks in the source (H, W), by the source's caption."""
    before, _ = sample.case.scenes
    place = word_map(
        _editor().model, sample.source, before.objects[sample.case.edited].shape, sample.case.source_prompt
    )
    return np.asarray(place.soft > place.threshold)
