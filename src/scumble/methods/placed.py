"""The field of methods that take words with a place: one prompt for the image, and others for parts of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from scumble.errors import MethodError
from scumble.methods.base import Method
from scumble.methods.words import MOST_WORDS, Words, split_prompt

if TYPE_CHECKING:
    from scumble.methods.batch import EditBatch

__all__ = ["Placed"]


class Placed(Method):
    """Mixed into methods that guide by words through :meth:`EditBatch.guidance`.

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
