"""Edit directions: between two captions, two words or two lists of sentences, or from a file."""

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
    """Fields for an edit direction. A file counts before sentences, sentences before words, words before captions."""

    scene_wide: ClassVar[bool] = True
    source_prompt: str = ""
    """Caption of the image as it is."""
    prompt: str = ""
    """Caption of the image as it should be; the edit is the direction between the two captions."""
    source_word: str = ""
    """Instead of a prompt: a word of the source prompt ..."""
    target_word: str = ""
    """... and the word that replaces it."""
    source_sentences: Annotated[str | None, FileField("text")] = None
    """Instead of words: a text file of sentences about what is there, one per line ..."""
    target_sentences: Annotated[str | None, FileField("text")] = None
    """... and one of sentences about what should be there; up to a thousand each, by any text model."""
    direction: Annotated[str | None, FileField("text")] = None
    """Instead of all these: a saved direction."""
    direction_strength: float = Field(default=1.0, ge=-10, le=10)
    """How far to go along the direction."""

    def edited(self, batch: EditBatch, caption: Conditioning, source_prompt: str) -> Conditioning:
        """Return the caption's embedding, moved along the direction.

        Args:
            batch: The batch, for its model.
            caption: Embedding of the source prompt.
            source_prompt: The source prompt.

        Raises:
            InputError: If no edit was given, or only half of one.
        """
        from scumble.methods.attention.direction_file import load_direction
        from scumble.methods.attention.edit_direction import mean_embedding, moved
        from scumble.methods.attention.sentences import has_word, read_sentences, sentences_about

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
            if not has_word(source_prompt, self.source_word):
                batch.notices.append(
                    f"{self.source_word!r} is not in the source prompt ({source_prompt}): the direction is made"
                    " of general sentences, which is less sure"
                )
            source, target = (
                mean_embedding(batch.model, sentences_about(word, source_prompt, self.source_word))
                for word in (self.source_word, self.target_word)
            )
        elif self.prompt:
            source, target = batch.embed(source_prompt), batch.embed(self.prompt)
        else:
            raise InputError(
                "no edit was given: say what the image should show with --prompt, or name --source-word and"
                " --target-word, two files of sentences, or a saved --direction"
            )
        return moved(caption, source, target, self.direction_strength)
