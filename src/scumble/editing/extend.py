"""Extrapolation: a picture continued beyond its edges, strip by strip, by any method that edits inside a mask."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from scumble.core.cost import Cost
from scumble.editing.asked import Edit
from scumble.editing.edit import edit_picture
from scumble.editing.editor import Editor, OnStep
from scumble.editing.result import Result
from scumble.editing.windows import PHOTOGRAPHS
from scumble.errors import InputError, MethodError, nearest
from scumble.images import Source, filled, fit, load_image, save_image
from scumble.images.carried import Carried
from scumble.methods.base import ImageMethod
from scumble.methods.inpainting.region_fields import RegionInit
from scumble.models.turns import turn_of
from scumble.records.metadata import embed
from scumble.records.recipe import Recipe
from scumble.records.view import View

__all__ = ["Extension", "Side", "extend", "strips"]

Side = Literal["left", "right", "top", "bottom"]
Pixels = npt.NDArray[np.uint8]

SPARE_CELLS = 2
"""Cells of the model beyond the strip that are made and thrown away."""

WIDE = 1.5
"""Width of what the model sees, in units of the picture's height: a sun that it does not see it draws again."""

CONTINUES = {False: 0.6, True: 0.75}
"""Strength of a strip, without words and with words, on a small model: from nothing it begins a scene of its own."""

SHARE = 0.5
"""Largest share of what the model sees at once that is new: the rest is picture, so that it can be continued."""


@dataclass(frozen=True)
class Extension:
    """A picture with its continuation.

    Attributes:
        image: The larger picture; the input's pixels are in it byte for byte.
        recipes: What made each strip, in order, with the side and the width in its report.
        cost: What all of it took.
        notices: One-line remarks, each once.
        carried: What the input's file held besides pixels (EXIF, profile), to be written with the picture.
    """

    image: Image.Image
    recipes: list[Recipe]
    cost: Cost
    notices: list[str] = field(default_factory=list)
    carried: Carried = field(default_factory=Carried)

    def save(self, path: str | Path, *, metadata: bool = True, overwrite: bool = True, strip: bool = False) -> Path:
        """Write the picture, with what its file held; a PNG carries the recipes of its strips inside.

        Args:
            path: Where.
            metadata: False writes no recipes.
            overwrite: Whether a file that is there may be replaced.
            strip: Leave out what the file held, but for its color profile.

        Raises:
            InputError: If the folder does not exist, the extension is unknown, or a file would be lost.
        """
        strips_made = {"strips": [recipe.model_dump(mode="json") for recipe in self.recipes]}
        carried = self.carried.stripped() if strip else self.carried.resized(self.image.size)
        texts = embed(strips_made) if metadata else None
        save_image(self.image, Path(path), texts, carried=carried, overwrite=overwrite, notices=self.notices)
        return Path(path)


def strips(amount: int, across: int, along: int) -> list[int]:
    """Return the widths of the strips that add ``amount`` pixels to a side.

    Args:
        amount: Pixels to add.
        across: Length of the picture in that direction, so far.
        along: Length of the side.
    """
    widths: list[int] = []
    while amount > 0:
        most = max(min(int(along * SHARE), across), 1)
        widths.append(-(-amount // -(-amount // most)))  # even shares: no narrow rest at the end
        amount, across = amount - widths[-1], across + widths[-1]
    return widths


def extend(
    editor: Editor,
    image: Source,
    method: ImageMethod,
    *,
    left: int = 0,
    right: int = 0,
    top: int = 0,
    bottom: int = 0,
    prompts: Mapping[Side, str] | None = None,
    seed: int = 0,
    count: int = 1,
    on_step: OnStep | None = None,
) -> Extension:
    """Continue a picture by ``left``, ``right``, ``top`` and ``bottom`` pixels (arXiv 2111.14818 section 5.1).

    A new strip is filled smoothly from the picture's edge and then redrawn under the method, which sees a window
    of it with at least as much picture beside it; wide sides take several strips, each continuing the one before.

    Args:
        editor: The editor and its model.
        image: The picture, as :meth:`Editor.edit` takes it.
        method: What redraws a strip, for example ``BlendedLatentDiffusion(prompt=…)``; its change map must be None.
        left: Pixels to add there; likewise ``right``, ``top`` and ``bottom``.
        prompts: Words for single sides; the others follow the method's own prompt.
        seed: Strip k uses ``seed + k * count``.
        count: Candidates for every strip, of which the method's first (its best, where it ranks) is taken.
        on_step: As for :meth:`Editor.edit`.

    Raises:
        InputError: If nothing is to be added, or a side has an unknown name.
        MethodError: If the method brings its own change map.
    """
    amounts: dict[Side, int] = {"left": left, "right": right, "top": top, "bottom": bottom}
    words = dict(prompts or {})
    for side in words:
        if side not in amounts:
            raise InputError(f"{side!r} is no side{nearest(side, amounts)}; expected {', '.join(get_args(Side))}")
    if min(amounts.values()) < 0 or not any(amounts.values()):
        raise InputError("nothing to add: give left, right, top or bottom as a number of pixels above 0")
    if any(words.map is not None for words in getattr(method, "placed_words", ())):
        raise MethodError("extend makes an image of another size: leave the maps of placed words out")
    if method.change_map is not None:
        raise MethodError("extend makes its own mask; leave the method's change map out")
    picture = load_image(image)
    grower = _Grower(editor, method, seed, count, on_step, picture.rgb.info)
    canvas: Pixels = np.asarray(picture.rgb)
    for side, amount in amounts.items():
        # Every side is treated as the right one of a picture turned for it.
        turned = _turned(canvas, side)
        for width in strips(amount, turned.shape[1], turned.shape[0]):
            turned = grower.grown(turned, side, width, words.get(side))
        canvas = _turned(turned, side)
    extended = Image.fromarray(np.ascontiguousarray(canvas))
    extended.info = dict(picture.rgb.info)
    if picture.alpha is not None:
        opaque = Image.new("L", extended.size, 255)
        opaque.paste(picture.alpha, (left, top))
        extended.putalpha(opaque)
    return Extension(extended, grower.recipes, grower.cost, list(grower.notices), picture.carried)


@dataclass
class _Grower:
    """Adds one strip after the other and keeps account."""

    editor: Editor
    method: ImageMethod
    seed: int
    count: int
    on_step: OnStep | None
    info: dict[str | tuple[int, int], object]
    recipes: list[Recipe] = field(default_factory=list)
    cost: Cost = field(default_factory=Cost)
    notices: dict[str, None] = field(default_factory=dict)

    def grown(self, canvas: Pixels, side: Side, width: int, prompt: str | None) -> Pixels:
        """Return a turned canvas with a strip at its right; the window is shown to the model upright."""
        spare = self._spare(canvas, width)
        padded = np.pad(canvas, ((0, 0), (0, width + spare), (0, 0)), mode="edge")
        shown = min(max(int(WIDE * padded.shape[0]), 2 * (width + spare)), padded.shape[1])
        old = padded.shape[1] - shown
        new = np.zeros((padded.shape[0], shown), bool)
        new[:, shown - width - spare :] = True
        fields = type(self.method).model_fields
        given: dict[str, Any] = {"change_map": np.ascontiguousarray(_turned(new.astype(np.float32), side))}
        given |= {"keep": 1} if "keep" in fields and self.count > 1 else {}
        given |= {} if prompt is None else {"prompt": prompt}
        # a strip that faded in would show the smooth filling beside the picture as a line
        given |= {"feather": 0} if self.method.feather is None else {}
        given |= self._strength(str(getattr(self.method, "prompt", "")) if prompt is None else prompt)
        # the strip is filled already
        given |= {"begin": "picture"} if isinstance(self.method, RegionInit) and self.method.begin is None else {}
        upright = Image.fromarray(np.ascontiguousarray(_turned(_filled(padded[:, old:], new), side)))
        upright.info = dict(self.info)
        method = self.method.model_copy(update=given).with_defaults(self.editor.model.defaults)
        seed = self.seed + len(self.recipes) * self.count
        view = View(window="whole", match_border=True)
        asked = Edit(
            self.editor.model,
            method,
            seed,
            self.count,
            view=view,
            on_step=self.on_step,
            fresh=np.ascontiguousarray(_turned(new, side)),
        )
        with turn_of(self.editor.model.denoiser):
            result = edit_picture(asked, load_image(upright))
        self._account(result, side, width)
        strip = _turned(np.asarray(result.image.convert("RGB")), side)
        return np.concatenate([canvas, strip[:, shown - width - spare : shown - spare]], axis=1)

    def _strength(self, words: str) -> dict[str, Any]:
        """How much of the smooth filling is redrawn, where nobody said it and the model knows only whole scenes."""
        silent = "strength" in type(self.method).model_fields and "strength" not in self.method.model_fields_set
        small = self.editor.model.native_size < PHOTOGRAPHS
        return {"strength": CONTINUES[bool(words)]} if silent and small else {}

    def _spare(self, canvas: Pixels, width: int) -> int:
        """Pixels that are made beyond what is wanted: an autoencoder is at its worst at the edge of what it sees."""
        model = self.editor.model
        if model.factor == 1:
            return 0
        side = max(canvas.shape[0], 2 * width)
        scale = fit(side, canvas.shape[0], multiple=model.multiple, native=model.native_size).scale
        return math.ceil(SPARE_CELLS * model.factor * scale)

    def _account(self, result: Result, side: Side, width: int) -> None:
        recipe = result.recipe_of(0)
        record = {**recipe.report, "side": side, "width": width}
        self.recipes.append(recipe.model_copy(update={"report": record}))
        self.notices.update(dict.fromkeys(result.notices))
        for name in ("forward_rows", "backward_rows", "network_calls", "seconds"):
            setattr(self.cost, name, getattr(self.cost, name) + getattr(result.cost, name))
        self.cost.peak_bytes = max(self.cost.peak_bytes, result.cost.peak_bytes)


def _filled(pixels: Pixels, new: npt.NDArray[np.bool_]) -> Pixels:
    """Pixels whose new part is filled smoothly from the rest: a mirror image would show its things a second time."""
    planes = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)
    smooth = filled(planes, torch.from_numpy((~new).astype(np.float32)))
    return np.asarray(smooth.permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy())


def _turned(pixels: Any, side: Side) -> Any:
    """Turn pixels (H, W, …) so that ``side`` lies at the right; turning twice gives them back."""
    if side == "left":
        return pixels[:, ::-1]
    if side == "right":
        return pixels
    turned = np.swapaxes(pixels, 0, 1)
    if side == "bottom":
        return turned
    # both axes mirrored as well, so that turning twice gives the picture back
    return turned[::-1, ::-1]
