"""Students of LCM's kind spend all their steps below where a change begins, whichever method says where that is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

import scumble
from scumble.core.traits_of_sampling import SolverName
from scumble.methods.base import ImageMethod

STEPS = 4
PHOTO = Image.fromarray(np.random.default_rng(1).integers(0, 255, (32, 32, 3), dtype=np.uint8))
HOLE = np.zeros((32, 32), np.float32)
HOLE[8:24, 8:24] = 1
WORDS: dict[str, Any] = {"prompt": "a cube", "guidance_scale": 1, "num_inference_steps": STEPS, "feather": 0}
METHODS: dict[str, tuple[ImageMethod, float]] = {
    "sdedit": (scumble.SDEdit(**WORDS, change_map=HOLE, strength=0.5), 0.5),
    "differential": (scumble.DifferentialDiffusion(**WORDS, change_map=0.5 * HOLE), 0.5),
    "words with a place": (
        scumble.SDEdit(**WORDS, change_map=HOLE, strength=0.5, placed_words=(scumble.Words("a cat", map=HOLE),)),
        0.5,
    ),
    "blended": (scumble.BlendedLatentDiffusion(**WORDS, change_map=HOLE, skip=0.5), 0.5),
    "filled": (scumble.BlendedLatentDiffusion(**{**WORDS, "prompt": ""}, change_map=HOLE, begin="filled"), 0.0),
    "warp": (
        scumble.WarpDrag(
            points=((10, 16, 18, 16),), guidance_scale=1, num_inference_steps=STEPS, change_map=HOLE, feather=0
        ),
        0.6,
    ),
}
"""Methods, and the strength of their strongest place."""


def steps_made(editor: scumble.Editor, method: ImageMethod, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[float]]:
    """The result, and the noise s/a of the levels at which the network was asked."""
    seen: list[float] = []
    predict = type(editor.model).predict

    def watched(self: Any, x: Any, level: Any, cond: Any, taps: Any = ()) -> Any:
        seen.append(level.s / level.a)
        return predict(self, x, level, cond, taps)

    with monkeypatch.context() as patch:
        patch.setattr(type(editor.model), "predict", watched)
        result = editor.edit(PHOTO, method, seed=1, window="whole", detail="model")
    sampled = next((k for k in range(1, len(seen)) if seen[k] >= seen[k - 1]), len(seen))  # a drag then looks back
    return result, seen[:sampled]


def with_solver(method: ImageMethod, solver: SolverName) -> ImageMethod:
    return method.model_copy(update={"solver": solver})


@pytest.mark.parametrize("name", METHODS)
def test_all_steps_of_a_student_lie_below_where_the_change_begins(
    name: str, tiny_editor: scumble.Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, strength = METHODS[name]
    known = tiny_editor.model.schedule.levels(50, "lcm")
    for solver in ("lcm", "tcd"):
        result, noises = steps_made(tiny_editor, with_solver(method, solver), monkeypatch)
        assert len(noises) == STEPS
        if name == "filled":
            begin = next(level for level in known if level.s <= level.a)
        else:
            begin = known[round(50 * (1 - strength))]
        assert noises[0] == pytest.approx(begin.s / begin.a)
        outside = HOLE == 0
        assert np.array_equal(np.asarray(result.image)[outside], np.asarray(PHOTO)[outside])
    _, usual = steps_made(tiny_editor, method, monkeypatch)
    assert len(usual) < STEPS


def test_a_new_object_is_drawn_from_noise(tiny_editor: scumble.Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    for solver in ("lcm", "ddim"):
        method = with_solver(scumble.BlendedLatentDiffusion(**WORDS, change_map=HOLE), solver)
        levels = tiny_editor.model.schedule.levels(STEPS, solver)
        _, noises = steps_made(tiny_editor, method, monkeypatch)
        assert noises == pytest.approx([level.s / level.a for level in levels[:-1]])


def test_a_strip_that_continues_a_picture_has_all_its_steps(tiny_editor: scumble.Editor) -> None:
    method = scumble.BlendedLatentDiffusion(prompt="a cube", guidance_scale=1, num_inference_steps=STEPS, skip=0.5,
                                            solver="lcm")  # fmt: skip
    made = scumble.extend(tiny_editor, PHOTO, method, right=8, seed=1)
    assert made.cost.forward_rows == STEPS
    assert np.array_equal(np.asarray(made.image)[:, :32], np.asarray(PHOTO))
