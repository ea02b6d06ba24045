"""What an edit will cost is known before it is made: to the row, or between bounds that say why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scumble.editing.editor import Editor
from scumble.methods.img2img.sdedit import SDEdit
from scumble.methods.inversion_based.ddim_inversion import DDIMInversion
from scumble.models.base import Model
from scumble.models.footprint import NetworkMemory
from scumble.records.view import View
from tests.support.all_methods import ALL, FROM_SEED, editor_for, short, soft_map
from tests.support.tiny import state_of

DATA_DECIDES = ("drag-noise", "drag-diffusion", "asyrp")


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_plan_is_the_counted_cost(name: str, tiny_sd: Model, picture: Image.Image, tmp_path: Path) -> None:
    editor, given = editor_for(name, tiny_sd), None if name in FROM_SEED else picture
    more: dict[str, Any] = {} if name in FROM_SEED else {"change_map": soft_map()}
    method = short(name, tmp_path, editor.model, **more)
    planned = editor.plan(given, method, count=3, batch_size=2)
    options: dict[str, Any] = {"seed": 5, "count": 3, "batch_size": 2}
    made = editor.generate(method, **options) if given is None else editor.edit(given, method, **options)
    for figure in ("forward_rows", "backward_rows", "network_calls"):
        least, counted, most = (getattr(cost, figure) for cost in (planned.least, made.cost, planned.most))
        assert least <= counted <= most, f"{figure}: {least} <= {counted} <= {most}"
        assert least == most or not planned.exact
    assert planned.exact or name in DATA_DECIDES or "iterations" in planned.why


def test_seconds_are_not_said_before_they_were_measured(
    tiny_sd: Model, picture: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCUMBLE_CACHE", str(tmp_path))
    editor, method = Editor(tiny_sd), SDEdit(prompt="a cat", num_inference_steps=8)
    fresh = editor.plan(picture, method)
    assert fresh.seconds is None and "not measured yet" in str(fresh) and " s, at " not in str(fresh)
    cost = editor.edit(picture, method, seed=1).cost
    planned = Editor(tiny_sd).plan(picture, method)
    assert planned.seconds == pytest.approx((cost.seconds, cost.seconds))
    assert "not measured" not in str(planned)
    assert editor.plan(picture, DDIMInversion(prompt="a cat")).seconds is None, "another method"
    assert editor.plan(picture.resize((128, 128)), method, view=View(work_size=256)).seconds is None
    for damaged in ("no json", "[1]", '{"a": "b"}', "[" * 100_000):
        (tmp_path / "speed.json").write_text(damaged)
        assert editor.plan(picture, method).seconds is None


def test_memory_grows_with_the_picture_and_with_what_is_made_at_once(tiny_sd: Model, picture: Image.Image) -> None:
    editor, method = Editor(tiny_sd), SDEdit(prompt="a cat", num_inference_steps=4)
    one = editor.plan(picture, method).peak_bytes
    many = editor.plan(picture, method, count=8).peak_bytes
    batched = editor.plan(picture, method, count=8, batch_size=1).peak_bytes
    assert one is not None and many is not None and one == batched < many < 9 * one


def test_memory_is_found_without_computing_and_leaves_nothing_behind(tiny_sd: Model) -> None:
    before = state_of(tiny_sd.denoiser)
    small, large = NetworkMemory(tiny_sd, (64, 64)), NetworkMemory(tiny_sd, (128, 128))
    assert 0 < small.row < small.graph and small.row < large.row and 0 < small.ends < small.decoder_graph
    assert state_of(tiny_sd.denoiser) == before
