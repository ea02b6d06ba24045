"""Rules of guidance by name: how a prediction with the prompt and one without it become one."""

from __future__ import annotations

from collections.abc import Callable

from scumble.core.guiders.adaptive_projection import AdaptiveProjection
from scumble.core.guiders.base import Guider
from scumble.core.guiders.frequency import Frequency
from scumble.core.guiders.interval import Interval
from scumble.core.guiders.plus_plus import PlusPlus
from scumble.core.guiders.rescale import Rescale
from scumble.core.guiders.tangential import Tangential
from scumble.core.guiders.zero_star import ZeroStar

__all__ = ["RULES", "Guider"]

RULES: dict[str, Callable[[], Guider]] = {
    "cfg++": PlusPlus,
    "apg": AdaptiveProjection,
    "zero-star": ZeroStar,
    "interval": Interval,
    "rescale": Rescale,
    "tangential": Tangential,
    "frequency": Frequency,
}
"""Rules that need no other rows than classifier-free guidance; made anew for every run."""
