"""Edits in a group: each is an edit as ever, and one of them made again alone is the same to the byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scumble.editing.editor import Editor
from scumble.editing.redo import redo
from scumble.editing.result import Result
from scumble.editing.together import edit_together
from scumble.errors import CancelledError, InputError
from scumble.methods.registry import method_class


def picture(k: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(k).integers(0, 255, (64, 64, 3), np.uint8))


def half(k: int) -> np.ndarray:
    change = np.zeros((64, 64), np.float32)
    change[:, 16 + 8 * k :] = 1 - 0.1 * k
    return change


def work(name: str, k: int, **more: Any) -> Callable[[Editor], Result]:
    options = {"seed": k, **{one: more.pop(one) for one in ("on_step", "cancel") if one in more}}
    fields = {"prompt": f"a cat {k}", "num_inference_steps": 4, "change_map": half(k), **more}
    return lambda editor: editor.edit(picture(k), method_class(name)(**fields), **options)


def of_all(results: list[Result | BaseException]) -> list[Result]:
    for one in results:
        if isinstance(one, BaseException):
            raise one
    return [one for one in results if isinstance(one, Result)]


WORKS = [
    work("sdedit", 0, strength=0.9),
    work("sdedit", 1, strength=0.4, guidance_scale=1),
    work("ddim-inversion", 2),
    work("ddpm-inversion", 3, num_inference_steps=6),
    work("prompt-to-prompt", 4, source_prompt="a dog"),
]
"""Other pictures, maps, seeds, strengths, steps, methods; one looks inside the network and shares nothing."""


@pytest.fixture(scope="module")
def grouped(tiny_editor: Editor) -> list[Result]:
    return of_all(edit_together(tiny_editor, WORKS))


def test_each_is_the_edit_that_it_is_alone_but_for_the_last_bits(tiny_editor: Editor, grouped: list[Result]) -> None:
    for result, one in zip(grouped, WORKS, strict=True):
        alone = one(tiny_editor)
        assert (result.cost.forward_rows, result.cost.network_calls) == (
            alone.cost.forward_rows,
            alone.cost.network_calls,
        )
        difference = np.abs(np.asarray(result.image, np.int16) - np.asarray(alone.image, np.int16))
        assert difference.max() <= 1 and (difference > 0).mean() < 0.05
        kept = {"group", "environment"}
        assert result.recipe.model_dump(exclude=kept) == alone.recipe.model_dump(exclude=kept)


def test_the_recipe_says_how_calls_were_shared_and_redo_repeats_that_to_the_byte(
    tiny_editor: Editor, grouped: list[Result], tmp_path: Path
) -> None:
    assert [sum(one[0] for one in result.recipe.group) for result in grouped[:2]] == [4, 2]
    assert any(before + behind for result in grouped[:4] for _, before, behind in result.recipe.group)
    for k, result in enumerate(grouped):
        result.save(tmp_path / f"{k}.png", map_inside=True)
        again = redo(tmp_path / f"{k}.png", image=picture(k), editor=tiny_editor)
        assert again.largest == 0 and not again.warnings
        assert again.recipe.group == result.recipe.group


def test_one_that_fails_or_is_stopped_leaves_the_others_alone(tiny_editor: Editor) -> None:
    stops = iter([False, False, True])
    works = [
        work("sdedit", 0),
        work("sdedit", 1, change_map=Path("not there.png")),
        work("sdedit", 2, cancel=lambda: next(stops)),
        work("sdedit", 3),
    ]
    first, failed, stopped, last = edit_together(tiny_editor, works)
    assert isinstance(failed, InputError) and isinstance(stopped, CancelledError)
    for k, result in ((0, first), (3, last)):
        assert isinstance(result, Result)
        alone = work("sdedit", k)(tiny_editor)
        assert np.abs(np.asarray(result.image, np.int16) - np.asarray(alone.image, np.int16)).max() <= 1
    shared = first.recipe.group if isinstance(first, Result) else []
    rows = [one[1:] for one in shared]
    assert rows[0] == (0, 4) and (0, 2) in rows, "two rows less from the step at which one was stopped"


def test_the_same_group_gives_the_same_bytes(tiny_editor: Editor, grouped: list[Result]) -> None:
    for one, other in zip(grouped, of_all(edit_together(tiny_editor, WORKS)), strict=True):
        assert one.image.tobytes() == other.image.tobytes() and one.recipe == other.recipe


def test_a_call_that_fails_for_all_is_made_for_each(tiny_editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    kind: Any = type(tiny_editor.model.denoiser)
    whole = kind.forward

    def narrow(self: Any, x: Any, *words: Any, **more: Any) -> Any:
        if x.shape[0] > 2:
            raise MemoryError
        return whole(self, x, *words, **more)

    monkeypatch.setattr(kind, "forward", narrow)
    results = of_all(edit_together(tiny_editor, [work("sdedit", 0), work("sdedit", 1)]))
    assert all(one[1:] == (0, 0) for result in results for one in result.recipe.group)
