"""The limit of a shift: never more, exactly where asked for, and nothing where only rounding is left."""

from __future__ import annotations

import pytest
import torch

from scumble.controls.cap import limit_norm

NOISE = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def share(shift: torch.Tensor) -> float:
    return float(shift.square().mean().sqrt() / NOISE.square().mean().sqrt())


@pytest.mark.parametrize(("size", "exactly", "wanted"), [(9.0, False, 0.5), (0.1, False, 0.1), (0.1, True, 0.5)])
def test_a_shift_is_limited_or_brought_to_the_limit(size: float, exactly: bool, wanted: float) -> None:
    assert share(limit_norm(size * NOISE, NOISE, 0.5, exactly)) == pytest.approx(wanted)


def test_what_needs_too_large_a_factor_fades() -> None:
    assert share(limit_norm(1e-4 * NOISE, NOISE, 0.5, True, 1e4)) == pytest.approx(0.5)
    assert share(limit_norm(1e-7 * NOISE, NOISE, 0.5, True, 1e4)) < 1e-8
    assert bool((limit_norm(0 * NOISE, NOISE, 0.5, True, 1e4) == 0).all())
