"""The editor: load a model once, then run methods on pictures and get results with their recipe and cost."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from scumble.editing.asked import Edit
from scumble.editing.budget import refuse_above
from scumble.editing.edit import edit_picture, make_pictures
from scumble.editing.estimate import Plan, plan
from scumble.editing.given import inversion_settings, view_of, without_guidance
from scumble.editing.invert import invert_picture, part_to_invert, picture_of, replay_notices
from scumble.editing.loaded_model import LoadedModel
from scumble.editing.result import Result
from scumble.editing.run import OnStep
from scumble.editing.speed import remember
from scumble.editing.user_errors import user_errors
from scumble.errors import InputError, MethodError
from scumble.images import Box, MapSource, Picture, Source, Window, fit, load_image
from scumble.inversion.inversion import Inversion
from scumble.inversion.settings import InversionSettings
from scumble.methods.method import Method
from scumble.methods.reuse import Reuse
from scumble.methods.watch import Cancel, Watch
from scumble.models.latent import LatentModel
from scumble.models.runtime.together import in_group, repeated
from scumble.records.view import VIEW_0_1, View
from scumble.untrusted import name_of

if TYPE_CHECKING:
    from scumble.methods.extras.extra import Extra
    from scumble.records.recipe import Recipe

__all__ = ["Editor", "OnStep"]


class Editor(LoadedModel):
    """Edits pictures with one model.

    A network does one run at a time: calls from several threads, also of several editors on one pipeline, take turns
    and give what they give one after the other. Editors on different networks run side by side.

    Args:
        model: A loaded model; usually made by :meth:`from_pretrained` or :meth:`from_pipe`.
        threads: Processor threads of its runs, which can decide the last bit of a pixel; None: as torch has it.
        cache: Keep encoded pictures and inversions, so that the second edit of a picture pays only its steps; what is
            kept is found by content, and gives the same bytes. False: never; a :class:`ContentCache` sets its bounds.
    """

    def edit(
        self,
        image: Source | None,
        method: Method,
        *,
        seed: int | None = None,
        count: int = 1,
        batch_size: int | None = None,
        exact_batch: bool = False,
        max_cost: int | None = None,
        on_step: OnStep | None = None,
        cancel: Cancel | None = None,
        inversion: Inversion | str | Path | None = None,
        also: Sequence[Extra] = (),
        view: View | None = None,
        **fields: object,
    ) -> Result:
        """Edit a picture.

        Args:
            image: File or its bytes, PIL image, array (H, W, 3) uint8 or [0, 1], or tensor; None: the inversion's.
            method: What to do, for example ``DifferentialDiffusion(prompt=…, change_map=…)``.
            seed: Seed of the first candidate, candidate k has ``seed + k``; None draws one and records it.
            count: Number of candidates.
            batch_size: How many candidates are computed at once; all up to 8 by default.
            exact_batch: Make every candidate by itself: then not even the last bit depends on how many are made.
            max_cost: Refuse, before anything runs, what may take more rows of the network, forward and backward.
            on_step: Called with a :class:`Progress` after each step of sampling, and at each network call or update of
                the other phases (``stage`` names it); returning False stops the edit.
            cancel: Asked before each network call; returning True stops the edit.
            inversion: The picture's inversion from :meth:`invert` or its file: only the steps are left to be run.
            also: What is to act besides the method: wishes about words, colours, your own energy (``methods.also``).
            view: How to look at the picture: windows, detail, tiles; see :class:`View`.
            **fields: Single fields of the view by name, in place of those in ``view``: ``window="region"``.

        Returns:
            The candidates with recipe and cost. Where the change map is 0, their pixels are the input's bytes.

        Raises:
            InputError: For unusable input; MethodError: for what the method does not do with this model;
            CancelledError: if it was stopped; its ``partial`` holds what was finished; MemoryLimitError: with what to
            lower.
        """
        if not method.takes_image:
            raise MethodError(f"{method.method_name()} makes pictures from nothing: use Editor.generate")
        method, remarks = without_guidance(method.with_defaults(self.model.defaults))
        stored = Inversion.load(inversion) if isinstance(inversion, str | Path) else inversion
        picture = self._picture(None if image is None and stored is not None else image, method, stored)
        asked = Edit(
            self.model,
            method,
            seed,
            max(count, method.variants) if method.variants > 1 else count,
            1 if exact_batch else batch_size,
            view_of(view, fields),
            on_step,
            tuple(also),
            stored,
            cancel=cancel,
            exact_batch=exact_batch,
            reuse=Reuse(self.cache),
        )
        name = name_of(inversion) if isinstance(inversion, str | Path) else ""
        with self._turn():
            refuse_above(max_cost, lambda: plan(asked, lambda one: edit_picture(one, picture)))
            self._settle_runtime(asked)
            if stored is not None:
                remarks += replay_notices(self.model, stored)
            result = edit_picture(asked, picture)
        remember(self.model, method.method_name(), result.worked_at, result.cost)
        if stored is not None:
            reference = {"name": name, "sha256": stored.sha256}
            result = replace(result, recipe=result.recipe.model_copy(update={"inversion": reference}))
        return replace(result, notices=[*remarks, *result.notices])

    def _picture(self, image: Source | None, method: Method, inversion: Inversion | None) -> Picture:
        picture = None if image is None else load_image(image)
        if inversion is not None:
            if not method.takes_inversion:
                raise MethodError(f"{method.method_name()} does not start from an inversion; use ddpm-inversion")
            return picture_of(inversion, picture)
        if picture is None:
            raise InputError("there is no image: give one, or an inversion that holds it")
        return picture

    def _size(self, method: Method) -> Window:
        native, multiple = self.model.native_size, self.model.multiple
        width, height = (side or native for side in method.output_size)
        if width % multiple or height % multiple:
            raise InputError(
                f"size {width}x{height} does not fit {self.model.name}: sides must be multiples of {multiple}"
            )
        return fit(width, height, multiple=multiple, native=None)

    def again(
        self,
        image: Source | None,
        method: Method,
        recipe: Recipe,
        *,
        inversion: Inversion | None = None,
        also: Sequence[Extra] = (),
        max_cost: int | None = None,
    ) -> Result:
        """Make the one candidate of a recipe, just as the edit of all of them made it.

        Args:
            image: The edited picture; None where it was made from nothing.
            method: The recipe's method, with its files and its change map.
            recipe: The recipe: seed, count, batch size, and which candidate.
            inversion: The inversion from which it was edited, if any.
            also: What acted besides.
            max_cost: As for :meth:`edit`.

        Raises:
            InputError: For unusable input; MethodError: for what the method does not do with this model.
        """
        model = self.model
        if recipe.format < 2 and isinstance(model, LatentModel):
            model = model.with_prompts_cut()
        padded = repeated(model, recipe.group)
        asked = Edit(
            model if padded is None else in_group(model, padded),
            method,
            recipe.seed,
            recipe.count,
            recipe.batch_size,
            recipe.view or VIEW_0_1,
            None,
            tuple(also),
            inversion,
            windows=recipe.windows,
            only=recipe.index,
            exact_batch=recipe.exact_batch,
            reuse=Reuse(self.cache if padded is None else None),
        )
        picture = None if recipe.input is None else self._picture(image, method, inversion)

        def make(one: Edit) -> Result:
            return make_pictures(one, self._size(method)) if picture is None else edit_picture(one, picture)

        with self._turn():
            refuse_above(max_cost, lambda: plan(asked, make))
            self._settle_runtime(asked)
            result = make(asked)
        shared = {} if padded is None else {"group": padded.beside}
        return replace(result, recipe=result.recipe.model_copy(update={"inversion": recipe.inversion, **shared}))

    def invert(
        self,
        image: Source,
        settings: InversionSettings | None = None,
        *,
        seed: int | None = None,
        measured: bool = True,
        change_map: MapSource | Box | None = None,
        view: View | None = None,
        on_step: OnStep | None = None,
        cancel: Cancel | None = None,
        **fields: object,
    ) -> Inversion:
        """Find the path and the noise that lead back to an image; save it, and edit from it as often as wanted.

        Args:
            image: File, PIL image, array or tensor.
            settings: How to invert; the defaults when left out.
            seed: Seed of its draws; None draws one and records it.
            measured: Replay the inversion and state its error.
            change_map: Where edits will change the picture, a map or a box (left, top, right, bottom): the inversion
                is of the window around it, and larger in it. None: of the whole picture.
            view: How to look at the picture, see :class:`View`.
            on_step: Called at each network call, as for :meth:`edit`.
            cancel: Asked before each network call; returning True stops it.
            **fields: Single settings by name, in place of those in ``settings``: ``prompt="a cat", skip=0.3``. The
                kind may also be called ``method``.

        Raises:
            InputError: For unusable input; MemoryLimitError: with what to lower.
        """
        chosen = inversion_settings(settings, fields)
        picture = load_image(image)
        part = part_to_invert(self.model, picture, change_map, view or View())
        with self._turn(), user_errors(1, part.window):
            if self._answering is not None:
                steps = chosen.num_inference_steps or 50
                self._answering.settle(steps, steps)
            drawn = secrets.randbits(31) if seed is None else seed
            watch, tiles = Watch(on_step, cancel), view is not None and view.tiles
            reuse = Reuse(None if tiles else self.cache)
            return invert_picture(self.model, picture, chosen, drawn, measured, part, watch, tiles, reuse)

    def generate(
        self,
        method: Method,
        *,
        seed: int | None = None,
        count: int = 1,
        batch_size: int | None = None,
        exact_batch: bool = False,
        max_cost: int | None = None,
        on_step: OnStep | None = None,
        cancel: Cancel | None = None,
        also: Sequence[Extra] = (),
    ) -> Result:
        """Make pictures from nothing; arguments and errors as for :meth:`edit`."""
        if method.takes_image and not method.image_optional:
            raise MethodError(f"{method.method_name()} edits a picture: use Editor.edit with one")
        method, remarks = without_guidance(method.with_defaults(self.model.defaults))
        size = 1 if exact_batch else batch_size
        asked = Edit(
            self.model, method, seed, count, size, View(), on_step, tuple(also), cancel=cancel, exact_batch=exact_batch
        )
        with self._turn():
            refuse_above(max_cost, lambda: plan(asked, lambda one: make_pictures(one, self._size(method))))
            self._settle_runtime(asked)
            result = make_pictures(asked, self._size(method))
        remember(self.model, method.method_name(), result.worked_at, result.cost)
        return replace(result, notices=[*remarks, *result.notices])

    def plan(
        self,
        image: Source | None,
        method: Method,
        *,
        seed: int | None = None,
        count: int = 1,
        batch_size: int | None = None,
        inversion: Inversion | str | Path | None = None,
        also: Sequence[Extra] = (),
        view: View | None = None,
    ) -> Plan:
        """Say what an edit will cost, by running its loop with a network that only counts.

        Args:
            image: As for :meth:`edit`; None also where one is made from nothing.
            method: What to do.
            seed: Of the edit: what its cache has by seed is then not counted.
            count: Number of candidates.
            batch_size: How many candidates are computed at once.
            inversion: The picture's inversion, where one is there.
            also: What is to act besides the method.
            view: How to look at the picture.

        Returns:
            Rows and calls, exact where they do not depend on the image, else the fewest and the most; seconds, where
            edits with this method and model were measured on this machine; peak memory by the formula of the method.
        """
        method = method.with_defaults(self.model.defaults)
        stored = Inversion.load(inversion) if isinstance(inversion, str | Path) else inversion
        number = max(count, method.variants) if method.variants > 1 else count
        asked = Edit(
            self.model,
            method,
            seed or 0,
            number,
            batch_size,
            view or View(),
            also=tuple(also),
            inversion=stored,
            reuse=Reuse(self.cache, adds=False),
        )
        with self._turn():
            if image is None and stored is None:
                return plan(asked, lambda one: make_pictures(one, self._size(method)))
            picture = self._picture(image, method, stored)
            return plan(asked, lambda one: edit_picture(one, picture))
