"""Maps that a model makes from words: ``words``, ``difference``."""

# Annotations are real here: commands inherit the fields of Cut, and cyclopts reads them.
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from scumble.cli.map.canvas import Output, Overwrite, write
from scumble.cli.model_flags import ModelFlags
from scumble.cli.pipes import input_file

if TYPE_CHECKING:
    from scumble.editing.maps_from_words import WordMap

__all__ = ["difference", "words"]


@Parameter(name="*")
@dataclass(frozen=True)
class Cut:
    """How the model's gray values become a map."""

    soft: Annotated[bool, Parameter(negative="")] = False
    """Keep the gray values in place of black and white."""
    threshold: float | Literal["auto"] = "auto"
    """Where to cut, 0 to 1; auto finds the value that parts the map best."""
    feather: int = 0
    """Fade the edge over this many pixels, outward."""

    def write(self, word_map: "WordMap", output: Path, overwrite: bool) -> None:
        """Cut and save the map. Raises InputError for a threshold out of its range."""
        from scumble import maps
        from scumble.errors import InputError

        cut = None if self.threshold == "auto" else float(self.threshold)
        if cut is not None and not 0 <= cut <= 1:
            raise InputError(f"threshold must be 0 to 1 or auto, got {cut:g}")
        image = word_map.image(soft=self.soft, threshold=cut)
        write(maps.blurred_mask(image, self.feather) if self.feather else image, output, overwrite)


def words(
    image: Path,
    word: str,
    *,
    source_prompt: str,
    level: int = 200,
    cut: Cut = Cut(),
    flags: ModelFlags = ModelFlags(),  # noqa: B008
    output: Output,
    overwrite: Overwrite = False,
) -> None:
    """Find where a word is in an image: one look of the network, cut at the image's own edges.

    Parameters
    ----------
    image
        The image.
    word
        A word or phrase of the caption, for example cube; not:cube is everything else.
    source_prompt
        What the whole image shows: the caption makes the map, a single word would be found everywhere. auto describes
        an image of the bundled world.
    level
        Noise level at which the network looks, 1 to 999.
    """
    from scumble.editing.maps_from_words import word_map

    with input_file(image) as file:
        caption = _caption(source_prompt, file, flags.model)
        cut.write(word_map(flags.editor().model, file, word, caption, level=level), output, overwrite)


def difference(
    image: Path,
    *,
    prompt: str,
    source_prompt: str,
    level: int = 300,
    noises: int = 4,
    compat: Literal["official"] | None = None,
    cut: Cut = Cut(),
    flags: ModelFlags = ModelFlags(),  # noqa: B008
    output: Output,
    overwrite: Overwrite = False,
) -> None:
    """Find where two captions of an image differ (DiffEdit): give the same caption with a word changed.

    Parameters
    ----------
    image
        The image.
    prompt
        What the image should show.
    source_prompt
        What it shows.
    level
        Noise level at which the captions are compared, 1 to 999.
    noises
        Draws of noise that are averaged.
    compat
        official: DiffEdit's map as published, wider than the object.
    """
    from scumble.editing.maps_from_words import difference_map, published_difference_map

    with input_file(image) as file:
        caption = _caption(source_prompt, file, flags.model)
        model = flags.editor().model
        if compat == "official":
            word_map = published_difference_map(model, file, prompt, caption)
        else:
            word_map = difference_map(model, file, prompt, caption, level=level, noises=noises)
    cut.write(word_map, output, overwrite)


def _caption(source_prompt: str, image: Path, model: str | None) -> str:
    from scumble.cli.describe import with_caption

    return str(with_caption({"source_prompt": source_prompt}, str(image), model)["source_prompt"])
