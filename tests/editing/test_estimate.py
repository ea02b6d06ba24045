"""What an edit will cost is known before it is made: to the row, or between bounds that say why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scumble.models.base import Model
from tests.support.all_methods import ALL, FROM_SEED, editor_for, short, soft_map

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
