"""Every phase of every method is watched, and stops before the next network call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scumble.editing.editor import Editor
from scumble.errors import CancelledError
from scumble.methods.img2img.sdedit import SDEdit
from scumble.methods.progress import Progress
from scumble.methods.watch import Watch
from scumble.models.base import Model
from tests.support.all_methods import ALL, FROM_SEED, editor_for, short


def run(editor: Editor, name: str, method: Any, picture: Image.Image, **options: Any) -> Any:
    if name in FROM_SEED:
        return editor.generate(method, seed=0, **options)
    return editor.edit(picture, method, seed=0, **options)


class Calls:
    """Calls of a model's networks from now on: its denoiser (or the half of it that a drag runs), encoder, decoder."""

    def __init__(self, model: Any) -> None:
        denoiser, codec = model.denoiser, getattr(model, "vae", None)
        halves = [denoiser.conv_in, denoiser.up_blocks[0]]
        ends = [] if codec is None else [codec.encoder, codec.decoder]
        self.counts, self._stage = [0] * (len(halves) + len(ends)), ["prepare"]
        self.stages, self.denoised = list[str](), list[int]()
        parts = enumerate([*halves, *ends])
        self._hooks = [part.register_forward_pre_hook(partial(self._called, k)) for k, part in parts]

    def __len__(self) -> int:
        return max(self.counts[:2]) + sum(self.counts[2:])

    def _called(self, k: int, *_: Any) -> None:
        self.counts[k] += 1
        if len(self) > len(self.stages):
            self.stages.append(self._stage[-1])
            self.denoised.append(max(self.counts[:2]))

    @contextmanager
    def watched(self) -> Iterator[Calls]:
        """Note in which phase of an edit each call is."""
        phase = Watch.phase

        @contextmanager
        def noted(watch: Watch, stage: Any, *rest: Any, **more: Any) -> Iterator[None]:
            self._stage.append(stage)
            try:
                with phase(watch, stage, *rest, **more):
                    yield
            finally:
                self._stage.pop()

        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Watch, "phase", noted)
                yield self
        finally:
            for hook in self._hooks:
                hook.remove()


INVERTING = (
    "asyrp", "cycle-diffusion", "ddim-inversion", "ddpm-inversion", "pix2pix-zero", "plug-and-play",
    "prompt-to-prompt", "self-guidance",
)  # fmt: skip
PHASES = {
    **{name: {"invert"} for name in INVERTING},
    "drag-noise": {"invert", "optimize", "measure"},
    "drag-diffusion": {"train", "invert", "optimize", "measure"},
    "warp-drag": {"measure"},
}
"""Phases beside sampling and decoding in which a method calls a network."""


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_cancel_is_obeyed_within_one_network_call_in_every_phase(
    name: str, tiny_sd: Model, picture: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = editor_for(name, tiny_sd)
    method = short(name, tmp_path, editor.model, **({"lora_steps": 3} if name == "drag-diffusion" else {}))

    def calls_of(at: int | None) -> Calls:
        """Calls of an edit that is to stop as soon as call number ``at`` has begun."""
        monkeypatch.setenv("SCUMBLE_CACHE", str(tmp_path / f"cache-{at}"))
        with Calls(editor.model).watched() as calls, suppress(CancelledError):
            run(editor, name, method, picture, cancel=lambda: at is not None and len(calls) >= at)
        assert not editor.busy
        return calls

    stages = calls_of(None).stages
    expected = PHASES.get(name, set()) | {"sample"} if name != "paint-by-word" else {"prepare"}
    assert expected <= set(stages) and ("decode" in stages or editor.model.factor == 1)
    last = {stage: number for number, stage in enumerate(stages, start=1)}
    for at in sorted({1, *last.values()}):
        calls, where = calls_of(at), f"at call {at} of {len(stages)}, in {stages[at - 1]}"
        assert len(calls) <= at + 1, where
        assert calls.denoised[-1] == calls.denoised[at - 1], f"the denoiser was called once more {where}"


def test_the_phases_of_a_drag_and_of_an_inversion_are_named(
    tiny_sd: Model, picture: Image.Image, tmp_path: Path
) -> None:
    editor, stages = Editor(tiny_sd), []

    def on_step(progress: Progress) -> None:
        assert 1 <= progress.step <= progress.steps
        stages.append(progress.stage)

    editor.edit(picture, short("drag-noise", tmp_path, tiny_sd, start="picture"), seed=0, on_step=on_step)
    assert [*dict.fromkeys(stages)] == ["invert", "optimize", "sample", "measure"]
    stages.clear()
    editor.invert(picture, num_inference_steps=3, on_step=on_step)
    assert [*dict.fromkeys(stages)] == ["invert", "measure"]
    with pytest.raises(CancelledError):
        editor.invert(picture, num_inference_steps=3, on_step=lambda progress: False)


def test_finished_candidates_survive_a_cancel(tiny_sd: Model, picture: Image.Image) -> None:
    editor, method = Editor(tiny_sd), SDEdit(prompt="a dog", num_inference_steps=3)
    whole = editor.edit(picture, method, seed=3, count=4, batch_size=2)
    with pytest.raises(CancelledError) as caught:
        editor.edit(picture, method, seed=3, count=4, batch_size=2, on_step=lambda step: step.samples[0] < 2)
    partial = caught.value.partial
    assert len(partial.images) == 2
    for one, other in zip(partial.images, whole.images[:2], strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(other))
    with pytest.raises(CancelledError) as early:
        editor.edit(picture, method, seed=3, on_step=lambda step: False)
    assert early.value.partial is None


def test_the_steps_of_sampling_are_told_once_each(tiny_sd: Model, picture: Image.Image) -> None:
    told: list[tuple[str, int, int]] = []
    method = SDEdit(prompt="a dog", num_inference_steps=4, strength=1.0)
    Editor(tiny_sd).edit(picture, method, seed=0, on_step=lambda p: told.append((p.stage, p.step, p.steps)))
    assert told == [("sample", k, 4) for k in (1, 2, 3, 4)]
