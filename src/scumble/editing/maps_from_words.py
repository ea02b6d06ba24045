"""Change maps from words: where a word of the image's caption looks, or where two captions differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from scumble.core.noise import CounterNoise
from scumble.core.prediction import noised
from scumble.energies.sites import attention_sites, joined_grids, site_sizes
from scumble.errors import InputError, MethodError
from scumble.file_field import FROM_WORDS
from scumble.images import Source, fit, load_image, to_tensor
from scumble.maps.guided_filter import fitted_to_edges, otsu_threshold
from scumble.models.taps import Tap
from scumble.models.words import words_of

if TYPE_CHECKING:
    from scumble.images import Window
    from scumble.methods.method import Method
    from scumble.models.base import Model

__all__ = [
    "WordMap",
    "difference_map",
    "is_from_words",
    "map_from_words",
    "noun_of",
    "published_difference_map",
    "word_map",
]

LEVEL = 200
"""Level (of 1000) to which the image is noised before it is looked at; measured best of 100 to 450."""

DIFFERENCE_LEVEL = 300
"""Level at which two captions are compared."""

RADIUS = 2.5
"""Radius of the guided filter in cells of the latent; of 0.75 to 2.5 the best on 60 things, by IoU .88 to .94."""

FLAT = 1e-3
"""Range of attention below which a word looks nowhere."""


@dataclass(frozen=True)
class WordMap:
    """A map made from words.

    Attributes:
        soft: (H, W) in [0, 1] at the image's size: how much each pixel belongs to the words.
        threshold: The value that parts it into inside and outside.
        caption: The caption that it was made with.
        rows: Rows that the network evaluated.
    """

    soft: NDArray[np.float64]
    threshold: float
    caption: str
    rows: int

    def image(self, *, soft: bool = False, threshold: float | None = None) -> Image.Image:
        """Return the map as a grayscale image, white = change: cut at the threshold, or soft."""
        if soft:
            return Image.fromarray(np.round(self.soft * 255).astype(np.uint8))
        cut = self.threshold if threshold is None else threshold
        return Image.fromarray(np.where(self.soft > cut, 255, 0).astype(np.uint8))


def word_map(
    model: Model, image: Source, word: str, caption: str, *, level: int = LEVEL, noises: int = 1, seed: int = 0
) -> WordMap:
    """Return where a word of an image's caption looks.

    One evaluation of the network at a little noise, told the whole caption; the cross-attention of the word's noun,
    averaged over heads and layers (the finest grid counts twice), takes the image's edges by a guided filter. The
    caption makes the map: told only the word, the network looks for nothing else and finds it everywhere.

    Args:
        model: The model that looks.
        image: The image.
        word: A word or phrase of the caption; of ``a red cube`` the noun is looked for. ``not:WORD``: everything else.
        caption: What the whole image shows.
        level: Noise level, 1 to 999.
        noises: Draws of noise that are averaged.
        seed: Of the draws.

    Raises:
        InputError: If the caption is empty or has no such word, with the nearest.
        MethodError: If the model takes no words, or the word looks nowhere.
    """
    inverse = word.startswith("not:")
    phrase = word.removeprefix("not:").strip()
    _needs_words(model)
    if not caption.strip():
        raise InputError(
            f"the caption of the image is missing: a map of {phrase!r} needs all that the image shows, not the word"
            " alone; give --source-prompt"
        )
    columns = list(model.word_tokens(caption, noun_of(phrase)))
    picture = load_image(image)
    window, x = _noisy(model, picture.rgb, level, noises, seed)
    grids = site_sizes(model.denoiser, x.shape)
    layers = attention_sites(model.denoiser, x.shape)
    looks: dict[str, Tensor] = {}

    def reader(path: str) -> Tap:
        return Tap(path, lambda probs: looks.update({path: probs[..., columns].mean((0, 1, 3))}), what="probs")

    with torch.no_grad():
        model.predict(x, model.schedule.at(level), model.embed([caption]).expand(noises), [reader(p) for p in layers])
    attention = joined_grids({path: looks[path].reshape(1, 1, *grids[path]).cpu() for path in layers})
    spread = float(attention.max() - attention.min())
    if spread < FLAT:
        raise MethodError(f"the model does not know where {phrase!r} is: it looks everywhere alike; paint the map")
    flat = (attention - attention.min()) / spread
    values = _at_image(flat, window)
    soft = fitted_to_edges(picture.rgb, values, _radius(model, window))
    soft = 1 - soft if inverse else soft
    return WordMap(soft, otsu_threshold(soft), caption, noises)


def difference_map(
    model: Model,
    image: Source,
    prompt: str,
    caption: str,
    *,
    level: int = DIFFERENCE_LEVEL,
    noises: int = 4,
    seed: int = 0,
) -> WordMap:
    """Return where the predictions for two captions differ (DiffEdit, arXiv 2210.11427 section 3.2), at its edges.

    Less noise than published, captions that differ in one word, the image's own edges and Otsu's threshold find the
    object; :func:`published_difference_map` is wider.

    Args:
        model: The model that looks.
        image: The image.
        prompt: What the image should show.
        caption: What it shows.
        level: Noise level, 1 to 999.
        noises: Draws of noise that are averaged.
        seed: Of the draws.

    Raises:
        InputError: If the two say the same.
        MethodError: If the model takes no words.
    """
    _needs_words(model)
    if prompt.split() == caption.split():
        raise InputError(f"both captions say {prompt!r}: a map of their difference needs two")
    picture = load_image(image)
    window, x = _noisy(model, picture.rgb, level, noises, seed)
    at = model.schedule.at(level)
    with torch.no_grad():
        here, there = (model.predict(x, at, model.embed([text]).expand(noises)).eps for text in (caption, prompt))
    difference = (here - there).abs().mean((0, 1), keepdim=True)
    values = _at_image(difference / difference.max(), window)
    soft = fitted_to_edges(picture.rgb, values, _radius(model, window))
    return WordMap(soft, otsu_threshold(soft), caption, 2 * noises)


def published_difference_map(model: Model, image: Source, prompt: str, caption: str, *, seed: int = 0) -> WordMap:
    """Return DiffEdit's map as published (arXiv 2210.11427 section 3.2): to compare with, it is wider than the object.

    Level 500, ten draws, clipped at three times the mean, scaled to 1, cut at .5, enlarged without the image's edges.
    Arguments and errors as for :func:`difference_map`.
    """
    _needs_words(model)
    picture = load_image(image)
    window, x = _noisy(model, picture.rgb, 500, 10, seed)
    at = model.schedule.at(500)
    with torch.no_grad():
        here, there = (model.predict(x, at, model.embed([text]).expand(10)).eps for text in (caption, prompt))
    difference = (here - there).abs().mean((0, 1), keepdim=True)
    difference = difference.clamp(max=3 * float(difference.mean()))
    values = _at_image(difference / difference.max(), window).astype(np.float32)
    enlarged = Image.fromarray(values, mode="F").resize(picture.rgb.size, Image.Resampling.BILINEAR)
    return WordMap(np.asarray(enlarged, np.float64), 0.5, caption, 20)


def is_from_words(source: object) -> bool:
    """Return whether a change map is to be made from words: ``words:cube``, ``not:cube``."""
    return isinstance(source, str) and source.startswith(FROM_WORDS)


def map_from_words(model: Model, method: Method, source: str, image: Image.Image) -> tuple[Image.Image, str]:
    """Return the map that ``words:…`` or ``not:…`` means in a method's edit, and what to tell the user.

    The caption is the method's source prompt where it has one, else its prompt: it names the same things.

    Raises:
        InputError: If there is no caption, or it has no such word.
        MethodError: If the model takes no words, or the word looks nowhere.
    """
    caption = getattr(method, "source_prompt", None) or method.first_prompt
    word = source.removeprefix("words:")
    place = word_map(model, image, word, str(caption))
    share = float(np.asarray(place.image()).mean()) / 255
    return place.image(), f"{source} found on {100 * share:.0f} % of the image, by the caption {place.caption!r}"


def noun_of(phrase: str) -> str:
    """Return the last word of a phrase: of ``large red cube`` the cube; its adjectives look elsewhere too.

    Raises:
        InputError: If there is none.
    """
    words = words_of(phrase)
    if not words:
        raise InputError(f"a word to look for must have at least one letter, got {phrase!r}")
    return words[-1]


def _needs_words(model: Model) -> None:
    if not model.takes_text:
        raise MethodError(f"{model.name} takes no words, so it cannot say where one is: use a latent model")


def _noisy(model: Model, rgb: Image.Image, level: int, noises: int, seed: int) -> tuple[Window, Tensor]:
    if not 1 <= level <= 999:
        raise InputError(f"level must be 1 to 999, got {level}")
    if noises < 1:
        raise InputError(f"noises must be 1 or more, got {noises}")
    window = fit(*rgb.size, multiple=model.multiple, native=model.native_size)
    with torch.no_grad():
        x0 = model.encode(window.apply(to_tensor(rgb)))
    eps = CounterNoise([seed + k for k in range(noises)]).normal((noises, *x0.shape[1:]), "map", 0).to(x0.device)
    return window, noised(x0.expand(noises, -1, -1, -1), eps, model.schedule.at(level))


def _at_image(values: Tensor, window: Window) -> NDArray[np.float64]:
    """Bring a map (1, 1, h, w) of what the model saw to the window's scaled size, without its padding."""
    width, height = window.size
    whole = F.interpolate(values.float().cpu(), (height, width), mode="bilinear")
    return whole[0, 0, : window.scaled[1], : window.scaled[0]].double().numpy()


def _radius(model: Model, window: Window) -> int:
    return max(1, round(RADIUS * max(model.factor, 1) * window.scale))
