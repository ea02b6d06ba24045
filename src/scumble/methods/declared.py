"""Traits that a method declares, readable without running it and without torch."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import ConfigDict

from scumble.methods.footprint import Footprint
from scumble.methods.registry import METHODS
from scumble.settings import Settings

__all__ = ["Declared"]


class Declared(Settings):
    """Traits of a method: what it takes, what it keeps, and its name."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    paper: ClassVar[str] = ""
    """Name and arXiv id of the source."""
    takes_image: ClassVar[bool] = True
    """Whether the method edits an image (or else generates one)."""
    image_optional: ClassVar[bool] = False
    """Whether a method that edits images can also generate its own from the seed."""
    needs_text: ClassVar[bool] = False
    """Whether the model must take text."""
    takes_instructions: ClassVar[bool] = False
    """Whether the method is for instruction models, whose network sees the image beside the noise."""
    takes_inversion: ClassVar[bool] = False
    """Whether the method can start from an existing inversion."""
    takes_prompts: ClassVar[bool] = False
    """Whether a list of prompts gives a candidate for each."""
    samples: ClassVar[bool] = False
    """Whether its field ``solver`` names the sampler of its run."""
    takes_places: ClassVar[bool] = False
    """Whether several prompts may share an image, each with its place, weight and time (:class:`Placed`)."""
    scene_wide: ClassVar[bool] = False
    """Whether its parts must agree across the image: then distant regions are edited in one window."""
    tileable: ClassVar[bool] = False
    """Whether it can work in tiles: it never compares distant parts of the image."""
    strength_is_global: ClassVar[bool] = False
    """Whether its field ``strength`` applies to the whole image."""
    looks_inside: ClassVar[bool] = False
    """Whether its steps read activations, take gradients or train adapters: PyTorch runs these whatever the runtime."""
    footprint: ClassVar[Footprint] = Footprint()
    """What it keeps in memory."""

    @property
    def variants(self) -> int:
        """Smallest number of candidates (one for each of several prompts)."""
        return 1

    @property
    def output_size(self) -> tuple[int | None, int | None]:
        """(width, height) in pixels of generated images; None: the model's own."""
        return None, None

    @property
    def needs_no_network(self) -> bool:
        """Whether it works without the network, and so at the image's own size."""
        return False

    @property
    def keeps_outside(self) -> bool:
        """Whether pixels outside the change map keep their bytes."""
        return True

    @property
    def feathered(self) -> int | None:
        """Pixels over which the result fades into the untouched part; None: one latent cell."""
        return 0

    @property
    def map_name(self) -> str:
        """File name of the change map, if it is a file."""
        return ""

    @classmethod
    def method_name(cls) -> str:
        """Name on the command line and in recipes: the registered one, else the class name in kebab-case."""
        for name, where in METHODS.items():
            if where == f"{cls.__module__}:{cls.__qualname__}":
                return name
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cls.__name__).lower()
