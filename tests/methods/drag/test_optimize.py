from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from scumble.methods.drag.features import Features
from scumble.methods.drag.grid_pairs import GridPairs
from scumble.methods.drag.optimize import optimize
from scumble.methods.drag.settings import DragSettings
from scumble.models.frozen import frozen

SIZE = (16, 16)


def pairs(handle: tuple[float, float] = (8, 4), target: tuple[float, float] = (8, 11)) -> GridPairs:
    return GridPairs(torch.tensor([handle]).float(), torch.tensor([target]).float(), SIZE, (1.0, 1.0))


def blob(shift: Tensor) -> Features:
    """A smooth bump that moves with the optimised tensor (down, across)."""
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    apart = (rows - 8 - shift[0]) ** 2 + (columns - 4 - shift[1]) ** 2
    return Features(torch.stack([torch.exp(-apart / 8), torch.exp(-apart / 30)]))


def search(iterations: int = 200, **more: float) -> DragSettings:
    return DragSettings(iterations=iterations, learning_rate=0.05, **more)  # type: ignore[arg-type]


def test_a_bump_that_moves_with_the_tensor_arrives() -> None:
    found = optimize(torch.zeros(2), blob, pairs(), search())
    assert found.updates < 200
    assert (found.handles - torch.tensor([8.0, 11.0])).norm() < 1
    assert found.value[1] == pytest.approx(7, abs=1.0)
    assert abs(found.value[0]) < 0.5


def test_a_handle_at_its_target_changes_nothing() -> None:
    found = optimize(torch.zeros(2), blob, pairs(target=(8, 4)), search())
    assert found.updates == 0
    assert torch.equal(found.value, torch.zeros(2))
    assert found.losses == []


def test_no_iterations_change_nothing() -> None:
    start = torch.tensor([0.5, -0.25])
    assert torch.equal(optimize(start, blob, pairs(), search(0)).value, start)


def test_the_first_step_of_adam_has_the_length_of_the_learning_rate() -> None:
    found = optimize(torch.zeros(2), blob, pairs(target=(11, 11)), search(1))
    torch.testing.assert_close(found.value.abs(), torch.full((2,), 0.05), rtol=1e-4, atol=0)


def test_the_start_is_not_touched() -> None:
    start = torch.zeros(2)
    optimize(start, blob, pairs(), search(3))
    assert torch.equal(start, torch.zeros(2))
    assert not start.requires_grad


def test_the_first_look_is_shared_with_the_first_iteration() -> None:
    looks = []

    def counted(value: Tensor) -> Features:
        looks.append(value)
        return blob(value)

    optimize(torch.zeros(2), counted, pairs(), search(5))
    assert len(looks) == 6  # one before each update, and one to see where the points came to


def test_the_preserving_term_is_zero_at_the_first_iteration() -> None:
    terms = []

    def preserve(value: Tensor, seen: Features, first: Features) -> Tensor:
        terms.append((seen.feature - first.feature).abs().sum())
        return terms[-1]

    optimize(torch.zeros(2), blob, pairs(), search(3), preserve)
    assert float(terms[0].detach()) == 0
    assert float(terms[1].detach()) > 0


def test_a_gradient_that_is_no_number_is_skipped() -> None:
    calls = []

    def breaks(value: Tensor) -> Features:
        calls.append(1)
        return Features(blob(value).feature * (float("inf") if len(calls) == 2 else 1.0))

    found = optimize(torch.zeros(2), breaks, pairs(), search(4))
    assert found.updates == 3
    assert bool(torch.isfinite(found.value).all())


def test_half_precision_scaling_does_not_change_the_way() -> None:
    plain, scaled = (optimize(torch.zeros(2), blob, pairs(), search(5, half=half)).value for half in (False, True))
    torch.testing.assert_close(plain, scaled, atol=1e-5, rtol=0)


def test_states_are_kept_on_the_way() -> None:
    found = optimize(torch.zeros(2), blob, pairs(), search(6, keep_every=2))
    assert len(found.states) == 3
    assert torch.equal(found.states[-1], found.value)


def test_frozen_parameters_are_freed_again_also_after_an_error() -> None:
    network = nn.Linear(2, 2)
    network.bias.requires_grad_(False)
    with pytest.raises(RuntimeError), frozen(network):
        assert not any(p.requires_grad for p in network.parameters())
        raise RuntimeError
    assert network.weight.requires_grad
    assert not network.bias.requires_grad
