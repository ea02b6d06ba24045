"""Differentiable objectives of pictures and activations: what guidance pulls towards."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scumble.energies.attention import Centroid, Shape, Size
    from scumble.energies.attention_maps import Transform
    from scumble.energies.excite import Apart, Excite, Suppress, excite_sites
    from scumble.energies.look import Appearance, Tint
    from scumble.energies.protocol import SOURCE, ActiveDuring, Energy, Needs, Observation, WeightedEnergy
    from scumble.energies.sites import attention_sites, columns_of, feature_site
    from scumble.energies.words import Columns
else:
    from scumble.lazy import lazy_names

    _PUBLIC = {
        "attention": ("Centroid", "Shape", "Size"),
        "attention_maps": ("Transform",),
        "excite": ("Apart", "Excite", "Suppress", "excite_sites"),
        "look": ("Appearance", "Tint"),
        "protocol": ("SOURCE", "ActiveDuring", "Energy", "Needs", "Observation", "WeightedEnergy"),
        "sites": ("attention_sites", "columns_of", "feature_site"),
        "words": ("Columns",),
    }
    __getattr__, __dir__ = lazy_names(
        __name__, {name: f"{__name__}.{module}:{name}" for module, names in _PUBLIC.items() for name in names}
    )

__all__ = [
    "ActiveDuring",
    "Apart",
    "Appearance",
    "Centroid",
    "Columns",
    "Energy",
    "Excite",
    "Needs",
    "Observation",
    "SOURCE",
    "Shape",
    "Size",
    "Suppress",
    "Tint",
    "Transform",
    "WeightedEnergy",
    "attention_sites",
    "columns_of",
    "excite_sites",
    "feature_site",
]
