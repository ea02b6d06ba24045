"""Every phase of every method is watched, and stops before the next network call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scumble.editing.editor import Editor
from scumble.errors import CancelledError
from scumble.methods.img2img.sdedit import SDEdit
from scumble.methods.progress import Progress
from scumble.models.base import Model
from tests.support.all_methods import ALL, FROM_SEED, editor_for, short


def run(editor: Editor, name: str, method: Any, picture: Image.Image, **options: Any) -> Any:
    if name in FROM_SEED:
        return editor.generate(method, seed=0, **options)
    return editor.edit(picture, method, seed=0, **options)


@pytest.mark.parametrize("name", sorted(set(ALL) - {"paint-by-word"}))
def test_a_cancel_is_obeyed_before_the_next_network_call(
    name: str, tiny_sd: Model, picture: Image.Image, tmp_path: Path
) -> None:
    editor = editor_for(name, tiny_sd)
    network: Any = editor.model.denoiser
    seen: list[int] = []
    parts = (network.conv_in, network.up_blocks[0])
    hooks = [part.register_forward_pre_hook(lambda module, args: seen.append(id(module))) for part in parts]

    def entered() -> int:
        """Network calls so far: through the encoder, or through the decoder alone."""
        return max(seen.count(id(part)) for part in parts)

    try:
        method = short(name, tmp_path, editor.model)
        run(editor, name, method, picture)
        total = entered()
        for calls in (1, total // 2, total - 1):
            seen.clear()
            with pytest.raises(CancelledError):
                run(editor, name, method, picture, cancel=lambda: entered() >= calls)  # noqa: B023
            assert entered() == calls
    finally:
        for hook in hooks:
            hook.remove()
    assert not editor.busy


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
