"""The base of all methods: frozen fields that are the signature, the flags, the form and the recipe at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PIL import Image
from pydantic import ConfigDict, Field, field_validator

from scumble.core.polarity import Polarity
from scumble.core.traits_of_sampling import OTHER_SOLVERS, SolverName
from scumble.errors import MethodError
from scumble.methods.footprint import Footprint
from scumble.methods.registry import METHODS
from scumble.methods.words import Words
from scumble.settings import Settings
from scumble.untrusted import name_of

if TYPE_CHECKING:
    from typing import Self  # Python 3.11

    import torch
    from torch import Tensor

    from scumble.core.solvers import Solver
    from scumble.images import MapSource
    from scumble.methods.batch import EditBatch
    from scumble.methods.cache import Cache

    MapInput = MapSource | Sequence[MapSource]
else:
    MapInput = Any  # its types need torch; what is given is checked when it is loaded

__all__ = ["Candidates", "FromSeed", "ImageMethod", "Method", "Prompted", "Sampled"]


@dataclass(frozen=True)
class Candidates:
    """All candidates of an edit, for methods that compare them.

    Attributes:
        images: The candidates at the image's size.
        source: The edited image, or None.
        change: The change map at the image's size (1 or B, 1, H, W), or None.
        reports: A report per candidate.
        notices: One-line remarks for the user.
        cache: Shared by the batches.
        device: Where the model runs.
    """

    images: Sequence[Image.Image]
    source: Image.Image | None
    change: Tensor | None
    reports: list[dict[str, Any]]
    notices: list[str]
    cache: Cache
    device: torch.device


class Method(Settings):
    """Base of all methods. A subclass adds fields, and combines controls in :meth:`run`."""

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

    prompt: str | tuple[str, ...] = ""
    """Text prompt: what the image should show."""

    @field_validator("prompt", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        """Refuse words with a place, and several prompts, in one line where the method has no use for them."""
        prompts = [value] if isinstance(value, Words) else value
        if not isinstance(prompts, list | tuple):
            return value
        if any(isinstance(one, Words | Mapping) for one in prompts):
            raise ValueError(f"{cls.method_name()} takes one prompt for the whole image, not words with a place")
        if not cls.takes_prompts:
            raise ValueError(f"{cls.method_name()} takes one prompt, not a list of {len(prompts)}")
        return value

    @property
    def variants(self) -> int:
        """Smallest number of candidates (one for each of several prompts)."""
        return 1

    @property
    def first_prompt(self) -> str:
        """The prompt; of several the first."""
        return self.prompt if isinstance(self.prompt, str) else next(iter(self.prompt), "")

    @property
    def words(self) -> str:
        """The text that the model must take: the prompt, or else the negative prompt."""
        return self.first_prompt

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

    def with_defaults(self, defaults: Mapping[str, Any]) -> Self:
        """Return the method with a model's defaults in the fields that were not set.

        A number of steps that is None stays None: a given inversion may decide it.
        """
        open_fields = set(type(self).model_fields) - self.model_fields_set
        if getattr(self, "num_inference_steps", None) is None:
            open_fields.discard("num_inference_steps")
        if not isinstance(self, Sampled):
            open_fields.discard("solver")  # elsewhere a solver has other names
        missing = {name: value for name, value in defaults.items() if name in open_fields}
        return self.model_copy(update=missing) if missing else self

    def check(self, batch: EditBatch) -> None:
        """Refuse what the model cannot do, before anything is computed.

        Raises:
            MethodError: With the reason and the way out.
        """
        instructed = batch.model.picture_channels > 0
        if instructed and not self.takes_instructions:
            raise MethodError(
                f"{batch.model.name} edits by instruction and {self.method_name()} does not: use instruct, or another"
                " model"
            )
        if self.takes_instructions and not instructed:
            raise MethodError(
                f"{self.method_name()} needs a model that edits by instruction, and {batch.model.name} is none: use"
                " still-life-instruct, or another checkpoint of a StableDiffusionInstructPix2PixPipeline"
            )
        if not batch.model.takes_text and (self.needs_text or self.words):
            raise MethodError(
                f"the model {batch.model.name} takes no words, but {self.method_name()} was given"
                f" {self.words!r}: leave the prompt empty, or use a text-to-image model or blended-diffusion"
            )

    def draws_nothing(self, batch: EditBatch) -> bool:
        """Whether nothing random enters what :meth:`run` makes of this batch, so that all candidates are the same."""
        return False

    def finish(self, finished: Candidates) -> Sequence[int] | None:
        """Look at all candidates together, once, after the last batch; may write into their reports.

        Returns:
            Indices of the candidates to return, best first; None: all, in the order of their seeds.
        """
        return None

    def decode(self, batch: EditBatch, made: Tensor) -> Tensor:
        """Decode the result of :meth:`run` to images (B, 3, H, W), one by one."""
        import torch

        pictures = []
        for row in made.split(1):
            batch.watch.ask()
            pictures.append(batch.model.decode(row))
        return torch.cat(pictures)

    def run(self, batch: EditBatch) -> Tensor | None:
        """Return the clean result (B, C, h, w) in the model's space, or None if nothing changes."""
        raise MethodError(f"{self.method_name()} does not edit pictures by itself")


class ImageMethod(Method):
    """A method that edits an image, and so takes a change map."""

    change_map: MapInput | None = Field(default=None, exclude=True, repr=False)
    """Strength per pixel: a file, image, array or number; white = change. None: everything may change."""
    polarity: Polarity = "white-changes"
    """Meaning of white in the change map; the papers' scripts use white-keeps."""
    feather: int | None = Field(default=None, ge=0, le=512)
    """Pixels over which the result fades into the untouched part, inside the changed region; 0: a hard edge. Default:
    one latent cell, less where the region is thin."""

    substeps: bool | None = None
    """Release cells within steps too: few steps then give as many strengths as many. Default: below 16 steps."""

    @property
    def feathered(self) -> int | None:
        """As given."""
        return self.feather

    @property
    def map_name(self) -> str:
        """Name of the map's file, or the number that it is."""
        if isinstance(self.change_map, int | float):
            return repr(float(self.change_map))
        return name_of(self.change_map) if isinstance(self.change_map, str | Path) else ""

    @property
    def divides_steps(self) -> bool | None:
        """``substeps``, and never where published code is reproduced."""
        return self.substeps if getattr(self, "compat", None) is None else False

    def prepare_map(self, change: Tensor) -> Tensor:
        """Return the change map (1 or B, 1, H, W) that the method works with, from the given one; both 1 = change."""
        return change


class Prompted(Method):
    """Fields of methods that follow a text prompt."""

    prompt: str = ""
    """Text prompt: what the image should show."""
    negative_prompt: str = ""
    """What the image should not show."""
    guidance_scale: float = Field(default=5.0, ge=0, le=100)
    """Classifier-free guidance; 1 turns it off and halves the cost."""

    @property
    def words(self) -> str:
        """The prompt, or else the negative prompt."""
        return self.prompt or self.negative_prompt


class FromSeed(Method):
    """Fields of methods that can generate an image."""

    width: int | None = Field(default=None, ge=8, le=8192)
    """Width of a generated image in pixels. Default: the model's own."""
    height: int | None = Field(default=None, ge=8, le=8192)
    """Height of a generated image in pixels. Default: the model's own."""

    @property
    def output_size(self) -> tuple[int | None, int | None]:
        """As given."""
        return self.width, self.height


class Sampled(Method):
    """Fields of methods that sample step by step."""

    num_inference_steps: int = Field(default=50, ge=1, le=1000)
    """Steps N of a full run."""
    solver: SolverName = "ddim"
    """Sampler: dpmpp_2m and unipc need about half the steps; lcm and tcd are for models trained for them; plms is for
    comparison with old software."""
    eta: float = Field(default=0.0, ge=0, le=1)
    """Noise added at each ddim step: 0 is deterministic, 1 ancestral."""

    @field_validator("solver", mode="before")
    @classmethod
    def _refused(cls, given: Any) -> Any:
        """Say why a well-known rule is not here."""
        if isinstance(given, str) and (reason := OTHER_SOLVERS.get(given.lower().replace("-", "_"))):
            raise ValueError(reason)
        return given

    def make_solver(self, batch: EditBatch, steps: int) -> Solver:
        """Return the solver for a run of ``steps`` steps on the batch's model.

        Raises:
            MethodError: If eta is not 0 and the solver is not ddim.
        """
        from scumble.core.solvers import solver_named

        if self.eta and self.solver != "ddim":
            raise MethodError(
                f"eta {self.eta:g} is the noise of the ddim solver, {self.solver} has its own; use --solver ddim"
            )
        return solver_named(self.solver, batch.model.schedule, steps, self.eta)
