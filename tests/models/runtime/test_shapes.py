"""Which shapes get a compiled network of their own: decided by the run alone, and bounded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from scumble.models.runtime import shapes
from scumble.models.runtime.shapes import Graphs, RunShapes


def model(layer: nn.Module | None = None) -> Any:
    return SimpleNamespace(native_size=64, factor=4, denoiser=layer or nn.Linear(2, 2))


def test_the_own_size_of_a_model_recurs_in_any_run_and_other_sizes_in_long_ones() -> None:
    short, long = RunShapes(model(), 8), RunShapes(model(), 50)
    assert short.recurs("denoiser", (2, 4, 16, 16))
    assert not short.recurs("denoiser", (2, 4, 12, 16))
    assert long.recurs("denoiser", (2, 4, 12, 16))


def test_what_is_encoded_does_not_depend_on_the_length_of_the_run() -> None:
    for steps in (4, 50):
        run = RunShapes(model(), steps)
        assert run.recurs("encoder", (1, 3, 64, 64))
        assert not run.recurs("encoder", (1, 3, 48, 64))
        assert not run.recurs("text encoder", (1, 77))


def test_a_run_of_ever_new_shapes_shares_one_network_and_the_next_run_begins_anew() -> None:
    run = RunShapes(model(), 50)
    asked = [(rows, 4, 16, 16) for rows in range(1, 7)]
    assert [run.recurs("denoiser", shape) for shape in (*asked, asked[0])] == [True] * 4 + [False] * 2 + [True]
    assert RunShapes(model(), 50).recurs("denoiser", asked[-1])


def test_a_large_network_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "LARGE", 6)
    assert not RunShapes(model(), 50).recurs("denoiser", (2, 4, 16, 16))


class Graph:
    """Stands in for a converted network: its inputs' shapes are what it is."""

    def __init__(self, given: Any = "free") -> None:
        self.inputs, self.given = ("x",), given

    def clone(self) -> Graph:
        return Graph()

    def reshape(self, given: dict[str, list[int]]) -> None:
        self.given = given


def test_graphs_are_compiled_once_each_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []

    def compile_model(graph: Graph, device: str, hints: dict[str, Any]) -> Any:
        compiled.append(graph.given)
        return graph.given

    monkeypatch.setattr(shapes, "KEPT", 2)
    graphs = Graphs(SimpleNamespace(compile_model=compile_model), Graph(), "float32")
    assert graphs.of([(1,)], False) == graphs.of([(2,)], False) == "free"
    for rows in (1, 2, 1, 3, 1, 2):
        assert graphs.of([(rows,)], True) == {"x": [rows]}
    assert compiled == ["free", *({"x": [rows]} for rows in (1, 2, 3, 2))]
