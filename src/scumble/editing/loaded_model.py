"""A model that is loaded once, its turn, its threads and its runtime."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from scumble.editing.asked import Edit
from scumble.editing.runtime import planned_rows, planned_steps
from scumble.errors import InputError
from scumble.methods.content_cache import ContentCache
from scumble.models.base import Model
from scumble.models.counting import CountingModel
from scumble.models.turns import turn_of

if TYPE_CHECKING:
    from typing import Self  # Python 3.11

    from diffusers import DiffusionPipeline

    from scumble.models.runtime.choose import Answering

__all__ = ["LoadedModel"]


class LoadedModel:
    """The model of an editor, with its turn, threads and runtime; arguments as for ``Editor``."""

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
    ) -> Self:
        """Load a model: the bundled one, a bundled name, a diffusers folder, one ``.safetensors`` file, or a hub id.

        Args:
            source: Where the model is; None for the bundled latent model.
            device: ``cpu``, ``cuda``, ``mps`` or None to choose.
            dtype: ``float32`` (also None), ``float16`` or ``bfloat16``: what the networks compute in; ``auto``:
                float16 on CUDA, bfloat16 in OpenVINO where the processor has it and the run has many steps.
            runtime: ``torch`` (also None), ``openvino`` (faster on a processor), ``compile``, or ``auto``:
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

    def expect_many(self, settled: bool = False) -> None:
        """Let runtime ``auto`` count on many edits from now on, as sessions, batches and services do.

        Args:
            settled: The runtime is named because ``auto`` came to it: what it cannot take is PyTorch's, with a remark.
        """
        if self._answering is not None:
            self._answering.many = True
            if settled:
                self._answering.forgive()

    @classmethod
    def from_pipe(cls, pipe: DiffusionPipeline, **add_ons: Any) -> Self:
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

    def counting(self) -> Self:
        """An editor whose network answers with zeros, at no cost: what it makes says only what the work would take."""
        return type(self)(cast("Model", CountingModel(self.model)))

    def _settle_runtime(self, asked: Edit) -> None:
        if self._answering is not None:
            self._answering.settle(planned_rows(asked.method, asked.also, asked.count), planned_steps(asked.method))
