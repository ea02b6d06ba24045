"""The base of all methods: a prompt, a check before anything is computed, and a run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from scumble.errors import MethodError
from scumble.methods.candidates import Candidates
from scumble.methods.declared import Declared
from scumble.methods.words import Words

if TYPE_CHECKING:
    from typing import Self  # Python 3.11

    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["Method"]


class Method(Declared):
    """Base of all methods. A subclass adds fields, and combines controls in :meth:`run`."""

    prompt: str | tuple[str, ...] = ""
    """Text prompt: what the image should show."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Let ``help`` and the reference tell the method's paper, which stands in one place."""
        super().__pydantic_init_subclass__(**kwargs)
        if cls.__doc__ and "paper" in vars(cls):
            cls.__doc__ = f"{inspect.cleandoc(cls.__doc__)}\n\nSource: {cls.paper}."

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
    def first_prompt(self) -> str:
        """The prompt; of several the first."""
        return self.prompt if isinstance(self.prompt, str) else next(iter(self.prompt), "")

    @property
    def words(self) -> str:
        """The text that the model must take: the prompt, or else the negative prompt."""
        return self.first_prompt

    def with_defaults(self, defaults: Mapping[str, Any]) -> Self:
        """Return the method with a model's defaults in the fields that were not set.

        A number of steps that is None stays None: a given inversion may decide it.
        """
        open_fields = set(type(self).model_fields) - self.model_fields_set
        if getattr(self, "num_inference_steps", None) is None:
            open_fields.discard("num_inference_steps")
        if not self.samples:
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

    def decode(self, batch: EditBatch, result: Tensor) -> Tensor:
        """Decode the result of :meth:`run` to images (B, 3, H, W), one by one."""
        import torch

        pictures = []
        for row in result.split(1):
            batch.watch.ask()
            pictures.append(batch.model.decode(row))
        return torch.cat(pictures)

    def run(self, batch: EditBatch) -> Tensor | None:
        """Return the clean result (B, C, h, w) in the model's space, or None if nothing changes."""
        raise MethodError(f"{self.method_name()} does not edit pictures by itself")
