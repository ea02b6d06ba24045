"""Fields of methods that guide by words: a rule of guidance, and other words for parts of the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from scumble.errors import MethodError
from scumble.methods.method import Method
from scumble.methods.words import MOST_WORDS, Words, split_prompt

if TYPE_CHECKING:
    from scumble.methods.batch import EditBatch

__all__ = ["Guided", "Placed", "Worded"]

FOLLOW_NOISE = ("ddim", "euler", "euler-a", "ddpm")
"""Samplers whose step goes along the predicted noise."""


class Guided(Method):
    """Mixed into methods that guide by words through :meth:`EditBatch.guidance`."""

    guider: Literal[
        "cfg", "cfg++", "apg", "zero-star", "interval", "rescale", "tangential", "frequency", "pag", "seg", "auto"
    ] = "cfg"
    """Rule of guidance: cfg is the usual one; pag, seg and auto evaluate one more row a step, interval fewer; cfg++
    needs a sampler of the ddim family."""

    def check(self, batch: EditBatch) -> None:
        """Refuse rules of guidance that mean nothing here."""
        super().check(batch)
        if self.guider != "cfg" and not batch.model.takes_text:
            raise MethodError(
                f"the model {batch.model.name} takes no words, so guider {self.guider} has none to guide by"
            )
        solver = getattr(self, "solver", None) or "ddim"
        if self.guider == "cfg++" and solver not in FOLLOW_NOISE:
            raise MethodError(
                f"guider cfg++ acts through the predicted noise, which solver {solver} does not use: use --solver ddim"
            )


class Worded(Method):
    """Mixed into methods that take other words beside the prompt: for parts of the image, or added to the whole.

    ``prompt`` may then be a list of :class:`Words`: the first plain one is the main prompt, the others become
    ``placed_words``.
    """

    takes_places: ClassVar[bool] = True

    placed_words: tuple[Words, ...] = Field(default=(), max_length=MOST_WORDS)
    """Prompts for parts of the image, or added to the whole with a weight of either sign. On the command line --at
    and --also-words are shorter."""

    @model_validator(mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        prompt = given.get("prompt")
        prompts = [prompt] if isinstance(prompt, Words) else prompt
        if not isinstance(prompts, list | tuple) or not any(isinstance(one, Words | Mapping) for one in prompts):
            return given
        main, others = split_prompt(prompts)
        return {**given, "prompt": main, "placed_words": (*others, *given.get("placed_words", ()))}

    def check(self, batch: EditBatch) -> None:
        """Refuse words with a place where the model takes none."""
        super().check(batch)
        if self.placed_words and not batch.model.takes_text:
            raise MethodError(f"the model {batch.model.name} takes no words, so none can have a place")


class Placed(Worded, Guided):
    """Mixed into methods whose prompts share the image by their places, and are guided by any rule."""

    places: Literal["attention", "latent"] = "attention"
    """How places share the image: attention evaluates one row, whose cross-attention asks each prompt in its place;
    latent evaluates a row for each prompt and mixes what they predict."""
    lead: float = Field(default=0.65, ge=0, le=1)
    """Share of the steps led by one prompt that says what all placed ones say, so that things do not compete for one
    place while the layout forms; only where no prompt is given for the whole image. 0: none."""
