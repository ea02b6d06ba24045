"""The editor: load a model once, then run methods on pictures and get results with their recipe and cost."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from pydantic import ValidationError

from scumble.editing.asked import Edit
from scumble.editing.budget import refuse_above
from scumble.editing.edit import edit_picture, make_pictures
from scumble.editing.estimate import Plan, plan
from scumble.editing.invert import invert_picture, part_to_invert, picture_of, replay_notices
from scumble.editing.result import Result
from scumble.editing.run import OnStep, user_errors
from scumble.editing.runtime import planned_rows, planned_steps
from scumble.editing.speed import remember
from scumble.errors import InputError, MethodError, first_problem, nearest
from scumble.images import Box, MapSource, Picture, Source, Window, fit, load_image
from scumble.inversion.inversion import Inversion
from scumble.inversion.settings import InversionSettings
from scumble.methods.base import Method, Prompted
from scumble.methods.reuse import ContentCache, Reuse
from scumble.methods.watch import Cancel, Watch
from scumble.models.base import Model
from scumble.models.counting import CountingModel
from scumble.models.latent import LatentModel
from scumble.models.turns import turn_of
from scumble.records.view import VIEW_0_1, View
from scumble.untrusted import name_of

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

    from scumble.methods.extras.extra import Extra
    from scumble.models.runtime.choose import Answering
    from scumble.records.recipe import Recipe

__all__ = ["Editor", "OnStep"]


class Editor:
    """Edits pictures with one model.

    A network does one run at a time: calls from several threads, also of several editors on one pipeline, take turns
    and give what they give one after the other. Editors on different networks run side by side.

    Args:
        model: A loaded model; usually made by :meth:`from_pretrained` or :meth:`from_pipe`.
        threads: Processor threads of its runs, which can decide the last bit of a pixel; None: as torch has it.
        cache: Keep encoded pictures and inversions, so that the second edit of a picture pays only its steps; what is
            kept is found by content, and gives the same bytes. False: never; a :class:`ContentCache` sets its bounds.
    """

    def __init__(self, model: Model, threads: int | None = None, cache: ContentCache | bool = True) -> None:
        if threads is not None and threads < 1:
            raise InputError(f"threads must be 1 or more, got {threads}")
        self.model, self.threads = model, threads
        chosen = ContentCache() if cache is True else cache
        self.cache: ContentCache | None = chosen if isinstance(chosen, ContentCache) else None
        """What it keeps of pictures that it edited."""
        self._answering: Answering | None = None

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path | None = None,
        *,
        device: str | None = None,
        dtype: str | None = None,
        runtime: str | None = None,
        threads: int | None = None,
        cache: ContentCache | bool = True,
        config: str | Path | None = None,
        offload: str | None = None,
        **add_ons: Any,
    ) -> Editor:
        """Load a model: the bundled one, a bundled name, a diffusers folder, one ``.safetensors`` file, or a hub id.

        Args:
            source: Where the model is; None for the bundled latent model.
            device: ``cpu``, ``cuda``, ``mps`` or None to choose.
            dtype: ``float32`` (also None), ``float16`` or ``bfloat16``: what the networks compute in; ``auto``:
                float16 on CUDA, bfloat16 in OpenVINO where the processor has it and the run has many steps.
            runtime: ``torch`` (also None), ``openvino`` (twice as fast on a processor), ``compile``, or ``auto``:
                OpenVINO where it is installed and the planned rows pay for its conversion.
            threads: Processor threads of its runs; None: as torch has it.
            cache: Whether encoded pictures and inversions are kept for the next edit, or where.
            config: For a single file: a folder whose configs and vocabulary are its own (no network then).
            offload: For small GPUs: ``model`` keeps in main memory the networks that are not at work, ``sequential``
                even their layers.
            **add_ons: What is put on the model, see :class:`scumble.models.add_ons.AddOns`: ``lora`` ("FILE:WEIGHT",
                or several), ``vae``, ``textual_inversion``, ``clip_skip``, ``prediction_type``, ``schedule``,
                ``few_steps``, ``prompt_syntax`` ("weighted": ``(red:1.3)``), ``control`` with ``control_image`` and
                ``control_scale``.

        Raises:
            CheckpointError: If it cannot be loaded (a pickle is refused).
            InputError: If the runtime is unknown, not installed, or not for this device.
        """
        from scumble.models.add_ons import AddOns
        from scumble.models.loading import load
        from scumble.models.runtime.choose import Answering, parse_runtime

        name = parse_runtime(runtime)
        converted = name == "openvino"  # its networks are converted from float32, whatever they compute in
        wanted = AddOns.read(**add_ons)
        model = load(source, device, "float32" if converted else dtype, config, wanted, offload)
        editor = cls(model, threads, cache)
        if name != "torch":
            editor._answering = Answering(editor.model, name, dtype)
        return editor

    def expect_many(self) -> None:
        """Let runtime ``auto`` count on many edits from now on, as sessions, batches and services do."""
        if self._answering is not None:
            self._answering.many = True

    @classmethod
    def from_pipe(cls, pipe: DiffusionPipeline, **add_ons: Any) -> Editor:
        """Use the components of an existing diffusers pipeline, without copying weights.

        Args:
            pipe: The pipeline. One with a ControlNet needs ``control_image``.
            **add_ons: As for :meth:`from_pretrained`, but those that would change the pipeline's networks.
        """
        from scumble.models.add_ons import AddOns
        from scumble.models.loading import from_pipe

        return cls(from_pipe(pipe, AddOns.read(**add_ons)))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for the network, and run with the editor's number of threads."""
        with turn_of(self.model.denoiser):
            before = torch.get_num_threads()
            if self.threads is not None:
                torch.set_num_threads(self.threads)
            try:
                yield
            finally:
                if self.threads is not None:
                    torch.set_num_threads(before)

    @property
    def busy(self) -> bool:
        """Whether the network is at a run now, of this editor or another one: a new one would wait for its end."""
        return turn_of(self.model.denoiser).taken

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
        method, remarks = _without_guidance(method.with_defaults(self.model.defaults))
        stored = Inversion.load(inversion) if isinstance(inversion, str | Path) else inversion
        picture = self._picture(None if image is None and stored is not None else image, method, stored)
        asked = Edit(
            self.model,
            method,
            seed,
            max(count, method.variants) if method.variants > 1 else count,
            1 if exact_batch else batch_size,
            _view(view, fields),
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
        asked = Edit(
            self.model.with_prompts_cut() if recipe.format < 2 and isinstance(self.model, LatentModel) else self.model,
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
            reuse=Reuse(self.cache),
        )
        picture = None if recipe.input is None else self._picture(image, method, inversion)

        def make(one: Edit) -> Result:
            return make_pictures(one, self._size(method)) if picture is None else edit_picture(one, picture)

        with self._turn():
            refuse_above(max_cost, lambda: plan(asked, make))
            self._settle_runtime(asked)
            result = make(asked)
        return replace(result, recipe=result.recipe.model_copy(update={"inversion": recipe.inversion}))

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
        chosen = _inversion_settings(settings, fields)
        picture = load_image(image)
        part = part_to_invert(self.model, picture, change_map, view or View())
        with self._turn(), user_errors(1, part.window):
            if self._answering is not None:
                steps = chosen.num_inference_steps or 50
                self._answering.settle(steps, steps)
            drawn = secrets.randbits(31) if seed is None else seed
            return invert_picture(self.model, picture, chosen, drawn, measured, part, Watch(on_step, cancel))

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
        method, remarks = _without_guidance(method.with_defaults(self.model.defaults))
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

    def counting(self) -> Editor:
        """An editor whose network answers with zeros, at no cost: what it makes says only what the work would take."""
        return Editor(cast("Model", CountingModel(self.model)))

    def _settle_runtime(self, asked: Edit) -> None:
        if self._answering is not None:
            self._answering.settle(planned_rows(asked.method, asked.also, asked.count), planned_steps(asked.method))


def _without_guidance(method: Method) -> tuple[Method, list[str]]:
    """Read a guidance of 0 with a prompt as 1, which it means on the cards of few-step models, and say so."""
    if not isinstance(method, Prompted) or method.guidance_scale != 0 or not method.prompt:
        return method, []
    notice = "guidance 0 was read as 1, that is no guidance: with 0 itself the prompt would have no effect"
    return method.model_copy(update={"guidance_scale": 1.0}), [notice]


def _view(view: View | None, fields: Mapping[str, object]) -> View:
    """The view with single fields replaced.

    Raises:
        InputError: For a field that there is not, or a value out of its range.
    """
    stated = {} if view is None else view.model_dump()
    try:
        return View.model_validate({**stated, **fields})
    except ValidationError as error:
        name, reason = first_problem(error)
        hint = "" if name in View.model_fields else nearest(name, View.model_fields)
        raise InputError(f"{name} = {error.errors()[0]['input']!r}: {reason}{hint}") from error


def _inversion_settings(settings: InversionSettings | None, fields: Mapping[str, object]) -> InversionSettings:
    """The settings with single fields replaced; ``method`` is the older name of ``kind``."""
    stated = {} if settings is None else settings.model_dump(exclude_unset=True)
    named = {"kind" if name == "method" else name: value for name, value in fields.items()}
    try:
        return InversionSettings.model_validate({**stated, **named})
    except ValidationError as error:
        name, reason = first_problem(error)
        hint = "" if name in InversionSettings.model_fields else nearest(name, InversionSettings.model_fields)
        raise InputError(f"inversion setting {name} = {error.errors()[0]['input']!r}: {reason}{hint}") from error
