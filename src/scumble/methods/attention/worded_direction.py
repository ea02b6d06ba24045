"""An edit stated as a direction between words: by two captions, two words, two lists of sentences, or a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from scumble.errors import InputError
from scumble.file_field import FileField
from scumble.methods.base import ImageMethod

if TYPE_CHECKING:
    from scumble.core.conditioning import Conditioning
    from scumble.methods.batch import EditBatch

__all__ = ["WordedDirection"]


class WordedDirection(ImageMethod):
    """Fields that say what is there and what shall be; the first that is given counts, captions last."""

    scene_wide: ClassVar[bool] = True
    source_prompt: str = ""
    """What the picture shows now, as a caption."""
    prompt: str = ""
    """What it shall show, as a caption: the direction between the two is the edit."""
    source_word: str = ""
    """Or: a word of the source prompt ..."""
    target_word: str = ""
    """... and the word it becomes."""
    source_sentences: Annotated[str | None, FileField("text")] = None
    """Or: a text file with sentences about what is there, one a line ..."""
    target_sentences: Annotated[str | None, FileField("text")] = None
    """... and one with sentences about what shall be; up to a thousand each, by any text model."""
    direction: Annotated[str | None, FileField("text")] = None
    """Or: a direction saved before."""
    direction_strength: float = Field(default=1.0, ge=-10, le=10)
    """How far to go along the direction."""

    def edited(self, batch: EditBatch, caption: Conditioning, said: str) -> Conditioning:
        """Return the caption's embedding, moved along the direction.

        Args:
            job: Whose model reads the words.
            caption: The embedding of what the picture shows.
            said: The same in words.

        Raises:
            InputError: If no edit was given, or only half of one.
        """
        from scumble.methods.attention.edit_direction import (
            has_word,
            load_direction,
            mean_embedding,
            moved,
            read_sentences,
            sentences_about,
        )

        pairs = {
            "word": (self.source_word, self.target_word),
            "sentences": (self.source_sentences, self.target_sentences),
        }
        for name, pair in pairs.items():
            if bool(pair[0]) != bool(pair[1]):
                raise InputError(f"--source-{name} and --target-{name} belong together: only one of them was given")
        if self.direction is not None:
            source, target = load_direction(self.direction)
        elif self.source_sentences is not None and self.target_sentences is not None:
            source, target = (
                mean_embedding(batch.model, read_sentences(path))
                for path in (self.source_sentences, self.target_sentences)
            )
        elif self.source_word and self.target_word:
            if not has_word(said, self.source_word):
                batch.notices.append(
                    f"{self.source_word!r} is not in what the picture is said to show ({said}): the direction is made"
                    " of general sentences, which is less sure"
                )
            source, target = (
                mean_embedding(batch.model, sentences_about(word, said, self.source_word))
                for word in (self.source_word, self.target_word)
            )
        elif self.prompt:
            source, target = batch.embed(said), batch.embed(self.prompt)
        else:
            raise InputError(
                "no edit was given: say what the picture shall show with --prompt, or name --source-word and"
                " --target-word, two files of sentences, or a saved --direction"
            )
        return moved(caption, source, target, self.direction_strength)
