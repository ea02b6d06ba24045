"""The editor: load a model once, then run methods on pictures and get results with their recipe and cost."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from torch import Tensor

from scumble.editing.invert import invert_picture, picture_of
from scumble.editing.result import Result
from scumble.editing.run import OnStep, Run, user_errors
from scumble.errors import InputError, MethodError, first_problem, nearest
from scumble.images import Source, describe_map, fit, load_image, load_map, to_tensor
from scumble.inversion.inversion import Inversion
from scumble.inversion.settings import InversionSettings
from scumble.methods.base import ImageMethod, Method
from scumble.models.base import Model
from scumble.models.turns import turn_of

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

    from scumble.methods.extras.extras import Extra
    from scumble.models.runtime.choose import Answering

__all__ = ["Editor", "OnStep"]


class Editor:
    """Edits pictures with one model.

    A network does one run at a time: calls from several threads, also of several editors on one pipeline, take turns
    and give what they give one after the other. Editors on different networks run side by side.

    Args:
        model: A loaded model; usually made by :meth:`from_pretrained` or :meth:`from_pipe`.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._answering: Answering | None = None

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path | None = None,
        *,
        device: str | None = None,
        dtype: str | None = None,
        runtime: str | None = None,
    ) -> Editor:
        """Load a model: the bundled one, a bundled name, a diffusers folder, one ``.safetensors`` file, or a hub id.

        Args:
            source: Where the model is; None for the bundled latent model.
            device: ``cpu``, ``cuda``, ``mps`` or None to choose.
            dtype: ``float32`` (also None), ``float16`` or ``bfloat16``: what the networks compute in.
            runtime: ``torch`` (also None), ``openvino`` (twice as fast on a processor), ``compile``, or ``auto``:
                OpenVINO where it is installed and the planned rows pay for its conversion.

        Raises:
            CheckpointError: If it cannot be loaded (a pickle is refused).
            InputError: If the runtime is unknown, not installed, or not for this device.
        """
        from scumble.models.loading import load
        from scumble.models.runtime.choose import Answering, parse_runtime

        name = parse_runtime(runtime)
        converted = name == "openvino"  # its networks are converted from float32, whatever they compute in
        editor = cls(load(source, device=device, dtype="float32" if converted else dtype))
        if name != "torch":
            editor._answering = Answering(editor.model, name, dtype)
        return editor

    @classmethod
    def from_pipe(cls, pipe: DiffusionPipeline) -> Editor:
        """Use the components of an existing diffusers pipeline, without copying weights."""
        from scumble.models.loading import from_pipe

        return cls(from_pipe(pipe))

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
        on_step: OnStep | None = None,
        inversion: Inversion | str | Path | None = None,
        also: Sequence[Extra] = (),
    ) -> Result:
        """Edit a picture.

        Args:
            image: File, PIL image, array (H, W, 3) uint8 or [0, 1], or tensor; None: the picture of the inversion.
            method: What to do, for example ``DifferentialDiffusion(prompt=…, change_map=…)``.
            seed: Seed of the first candidate, candidate k has ``seed + k``; None draws one and records it.
            count: Number of candidates.
            batch_size: How many candidates are computed at once; all up to 8 by default.
            on_step: Called after each step with a :class:`Progress`; returning False stops the edit.
            inversion: The picture's inversion from :meth:`invert` or its file: only the steps are left to be run.
            also: What is to act besides the method: wishes about words, colours, your own energy (``methods.also``).

        Returns:
            The candidates with recipe and cost. Where the change map is 0, their pixels are the input's bytes.

        Raises:
            InputError: For unusable input; MethodError: for what the method does not do with this model;
            CancelledError: if ``on_step`` returned False; MemoryLimitError: with what to lower.
        """
        if not method.takes_image:
            raise MethodError(f"{method.method_name()} makes pictures from nothing: use Editor.generate")
        method = method.with_defaults(self.model.defaults)
        picture = None if image is None and inversion is not None else load_image(image)
        stored = Inversion.load(inversion) if isinstance(inversion, str | Path) else inversion
        if stored is not None:
            if not method.takes_inversion:
                raise MethodError(f"{method.method_name()} does not start from an inversion; use ddpm-inversion")
            picture = picture_of(stored, picture)
        assert picture is not None
        change, remarks = self._change_map(method, picture.rgb.size)
        place = fit(*picture.rgb.size, multiple=self.model.multiple, native=self.model.native_size)
        tensor = place.apply(to_tensor(picture.rgb)).to(self.model.device)
        small = None if change is None else place.apply_map(change).to(self.model.device)
        run = Run(self.model, method, picture, change, tensor, small, place, remarks, on_step, stored, also)
        name = Path(inversion).name if isinstance(inversion, str | Path) else ""
        with turn_of(self.model.denoiser):
            self._settle_runtime(method, count)
            result = run(seed, max(count, method.variants) if method.variants > 1 else count, batch_size)
        if stored is not None:
            own = {"name": name, "sha256": stored.sha256}
            result = replace(result, recipe=result.recipe.model_copy(update={"inversion": own}))
        return result

    def invert(
        self,
        image: Source,
        settings: InversionSettings | None = None,
        *,
        seed: int | None = None,
        measured: bool = True,
        **fields: object,
    ) -> Inversion:
        """Find the path and the noise that lead back to an image; save it, and edit from it as often as wanted.

        Args:
            image: File, PIL image, array or tensor.
            settings: How to invert; the defaults when left out.
            seed: Seed of its draws; None draws one and records it.
            measured: Replay the inversion and state its error.
            **fields: Single settings by name, in place of those in ``settings``: ``prompt="a cat", skip=0.3``. The
                kind may also be called ``method``.

        Raises:
            InputError: For unusable input; MemoryLimitError: with what to lower.
        """
        chosen = _inversion_settings(settings, fields)
        picture = load_image(image)
        place = fit(*picture.rgb.size, multiple=self.model.multiple, native=self.model.native_size)
        with turn_of(self.model.denoiser), user_errors(1, place):
            if self._answering is not None:
                self._answering.settle(settings.num_inference_steps)
            return invert_picture(self.model, picture, chosen, secrets.randbits(31) if seed is None else seed, measured)

    def generate(
        self,
        method: Method,
        *,
        seed: int | None = None,
        count: int = 1,
        batch_size: int | None = None,
        on_step: OnStep | None = None,
        also: Sequence[Extra] = (),
    ) -> Result:
        """Make pictures from nothing; arguments and errors as for :meth:`edit`."""
        if method.takes_image and not method.image_optional:
            raise MethodError(f"{method.method_name()} edits a picture: use Editor.edit with one")
        method = method.with_defaults(self.model.defaults)
        native, multiple = self.model.native_size, self.model.multiple
        width = getattr(method, "width", None) or native
        height = getattr(method, "height", None) or native
        if width % multiple or height % multiple:
            raise InputError(
                f"size {width}x{height} does not fit {self.model.name}: sides must be multiples of {multiple}"
            )
        place = fit(width, height, multiple=multiple, native=None)
        run = Run(self.model, method, None, None, None, None, place, [], on_step, None, also)
        with turn_of(self.model.denoiser):
            self._settle_runtime(method, count)
            return run(seed, count, batch_size)

    def _settle_runtime(self, method: Method, count: int) -> None:
        if self._answering is not None:
            steps = int(getattr(method, "num_inference_steps", 50))
            self._answering.settle(2 * steps * count)

    def _change_map(self, method: Method, size: tuple[int, int]) -> tuple[Tensor | None, list[str]]:
        if not isinstance(method, ImageMethod) or method.change_map is None:
            return None, []
        change, notices = load_map(method.change_map, size, polarity=method.polarity)
        change = method.prepare_map(change)
        return change, [*notices, describe_map(change)]


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
