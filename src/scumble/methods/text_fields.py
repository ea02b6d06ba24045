"""Fields of methods whose text may be given to the network more precisely than by one prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from scumble.errors import InputError, MethodError
from scumble.file_field import FileField
from scumble.methods.method import Method

if TYPE_CHECKING:
    from scumble.methods.batch import EditBatch

__all__ = ["TextFields"]

Side = Annotated[int, Field(ge=1, le=16384)]
Offset = Annotated[int, Field(ge=0, le=16384)]


class TextFields(Method):
    """Mixed into methods that guide by words through :meth:`EditBatch.guidance`; names as in diffusers."""

    prompt_2: str = ""
    """SDXL: what the second text encoder reads in place of the prompt."""
    negative_prompt_2: str = ""
    """SDXL: what the second text encoder reads in place of the negative prompt."""
    original_size: tuple[Side, Side] | None = None
    """SDXL: height and width that the network is told the picture had. Default: the size it works at."""
    crops_coords_top_left: tuple[Offset, Offset] | None = None
    """SDXL: pixels that the network is told were cut off at top and left. Default: 0 0."""
    target_size: tuple[Side, Side] | None = None
    """SDXL: height and width that the network is told that the image has. Default: the size it works at."""
    prompt_embeds: Annotated[str | None, FileField("text")] = None
    """A .safetensors file with embeddings in place of the prompt: prompt_embeds, and where needed pooled_prompt_embeds,
    negative_prompt_embeds and negative_pooled_prompt_embeds."""

    def check(self, batch: EditBatch) -> None:
        """Refuse what this model does not read."""
        super().check(batch)
        if self.prompt_embeds is not None and self.first_prompt:
            raise InputError("prompt_embeds stands in place of the prompt: give one of the two")
        if self.prompt_embeds is not None and not batch.model.takes_text:
            raise MethodError(f"the model {batch.model.name} takes no words, so prompt_embeds have no use")
        sdxl = ("prompt_2", "negative_prompt_2", "original_size", "crops_coords_top_left", "target_size")
        given = [name for name in sdxl if getattr(self, name)]
        if given and (not batch.model.takes_text or batch.model.embed([""]).pooled is None):
            raise MethodError(f"{given[0]} is for SDXL, and {batch.model.name} is of another kind: leave it out")
