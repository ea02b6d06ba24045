"""Quantities read off attention: right on maps drawn by hand, and with the gradients that they claim."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.core.control import RunState
from scumble.energies.attention import Centroid, Shape, Size
from scumble.energies.attention_maps import Transform, centroid, hard_shape, normalized, soft_shape
from scumble.energies.excite import Apart, Excite, Suppress, word_maps
from scumble.energies.look import Appearance, Tint
from scumble.energies.protocol import Energy, Observation, distance
from scumble.energies.words import Columns

SITE = "up_blocks.0.attentions.0.transformer_blocks.0.attn2"
ALL = Columns((1, 2), (1, 2))


def seen_of(maps: Tensor, features: Tensor | None = None) -> Observation:
    ctx: RunState = None  # type: ignore[assignment]
    return Observation(ctx, maps[:, :1], attention={SITE: maps}, features={} if features is None else {"psi": features})


def random_maps(seed: int = 0, batch: int = 2, tokens: int = 5, h: int = 6, w: int = 7) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(batch, h, w, tokens, generator=g, dtype=torch.float64)).softmax(-1).permute(0, 3, 1, 2)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 5), (7, 2)])
def test_the_centre_of_a_single_cell_is_that_cell(row: int, column: int) -> None:
    maps = torch.zeros(1, 1, 8, 11)
    maps[..., row, column] = 1
    torch.testing.assert_close(centroid(maps)[0, 0], torch.tensor([column / 10, row / 7]), rtol=0, atol=1e-3)


def test_an_even_map_has_no_silhouette() -> None:
    assert float(normalized(torch.full((1, 1, 6, 6), 0.3)).max()) == 0
    assert float(soft_shape(torch.full((1, 1, 6, 6), 0.3)).max()) < 1e-3


def test_the_size_of_a_disc_is_its_area() -> None:
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    disc = (((y - 31) ** 2 + (x - 30) ** 2).sqrt() < 17).double()[None, None]
    assert float(soft_shape(disc).mean()) == pytest.approx(float(disc.mean()), rel=0.01)


def test_moving_a_map_by_whole_cells_moves_its_centre_by_as_much() -> None:
    maps = torch.zeros(1, 1, 9, 12)
    maps[..., 2:4, 3:6] = 1
    moved = centroid(maps.roll((2, 4), (-2, -1))) - centroid(maps)
    torch.testing.assert_close(moved[0, 0], torch.tensor([4 / 11, 2 / 8]), rtol=0, atol=1e-4)


def test_the_look_of_an_even_feature_is_that_feature() -> None:
    psi = torch.tensor([0.3, -2.0, 5.0], dtype=torch.float64).reshape(1, 3, 1, 1).expand(2, 3, 12, 14)
    energy = Appearance((SITE,), ALL, features="psi")
    looks = energy.measure(seen_of(random_maps(), psi))
    torch.testing.assert_close(looks, psi[:, :, 0, 0][:, None].expand(2, 2, 3), rtol=1e-3, atol=0)


def test_the_tint_of_an_evenly_coloured_thing_is_its_colour() -> None:
    maps = torch.zeros(1, 4, 6, 6, dtype=torch.float64)
    maps[..., 2:5, 1:4] = 1
    picture = torch.full((1, 3, 24, 24), -0.5, dtype=torch.float64)
    picture[..., 8:20, 4:16] = torch.tensor([0.9, 0.1, -1.0], dtype=torch.float64).reshape(3, 1, 1)
    seen = seen_of(maps, torch.zeros(1, 4, 6, 6, dtype=torch.float64))
    seen.x0 = torch.zeros(1, 4, 6, 6, dtype=torch.float64)
    seen.decode = lambda x0: picture
    energy = Tint((SITE,), ALL)
    torch.testing.assert_close(energy.measure(seen)[0], picture[0, :, 14, 10], rtol=0.15, atol=0.15)
    assert float(energy(seen, energy.measure(seen))) == 0


def test_transforms_do_what_they_say() -> None:
    maps = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    maps[..., 3:6, 3:6] = 1
    torch.testing.assert_close(Transform()(maps), maps, rtol=0, atol=0)
    torch.testing.assert_close(Transform(shift=(2 / 8, -1 / 8))(maps), maps.roll((-1, 2), (-2, -1)))
    larger = Transform(scale=2.0)(maps)
    assert float(larger.sum() / maps.sum()) == pytest.approx(4, rel=0.15)
    torch.testing.assert_close(centroid(larger), centroid(maps), rtol=0, atol=1e-3)
    bar = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    bar[..., 4, 2:7] = 1
    standing = torch.zeros(1, 1, 16, 16)
    standing[..., 6:12, 6:10] = 1
    for scale, rows in ((1.5, (3, 11)), (0.5, (9, 11))):
        made = (Transform(scale=scale, about="foot")(standing)[0, 0] > 0.5).any(1).nonzero()
        assert (int(made.min()), int(made.max())) == rows  # the lower edge stays, the upper one moves
    torch.testing.assert_close(Transform(rotate=90)(bar), bar.transpose(-1, -2), rtol=0, atol=1e-3)


def test_a_quarter_turn_is_counter_clockwise() -> None:
    """An arrow to the right of its centre of mass points up after it."""
    arrow = torch.zeros(1, 1, 11, 11, dtype=torch.float64)
    arrow[..., 5, 2:9] = 1
    arrow[..., 5, 8] = 3
    tip = Transform(rotate=90)(arrow).flatten().argmax()
    assert int(tip) // 11 < 5


def test_what_is_kept_is_at_zero_where_nothing_changed() -> None:
    same = seen_of(random_maps(), torch.randn(2, 4, 12, 14, dtype=torch.float64))
    energies: list[Energy] = [
        Shape((SITE,), ALL),
        Appearance((SITE,), ALL, features="psi"),
        Centroid((SITE,), ALL),
        Size((SITE,), ALL),
    ]
    for energy in energies:
        assert float(energy(same, energy.measure(same)).abs().max()) == 0


def test_a_hard_source_is_not_at_zero_and_this_is_why_the_default_is_soft() -> None:
    """The published energy compares a soft silhouette with a hard one: it pulls where nothing is to change."""
    same, maps = seen_of(random_maps()), random_maps()[:, [1, 2]]
    energy = Shape((SITE,), ALL, hard=True)
    expected = (soft_shape(maps) - hard_shape(maps)).abs().mean((1, 2, 3))
    torch.testing.assert_close(energy(same, energy.measure(same)), expected)
    assert float(expected.min()) > 0.01


def test_energies_fall_towards_what_they_ask_for() -> None:
    base = torch.zeros(1, 5, 8, 8, dtype=torch.float64)
    base[:, 1:3, 2:4, 1:3] = 1
    there = base.roll((0, 3), (-2, -1))
    centre = Centroid((SITE,), ALL, by=(3 / 7, 0))
    shape = Shape((SITE,), ALL, transform=Transform(shift=(3 / 7, 0)))
    for energy in (centre, shape):
        origin = energy.measure(seen_of(base))
        assert float(energy(seen_of(there), origin)) < 1e-4 < 0.05 < float(energy(seen_of(base), origin))
    absolute = Centroid((SITE,), ALL, target=(0.2, 0.9))
    assert absolute.source is None
    assert float(absolute(seen_of(base.roll(4, -2)), None)) < float(absolute(seen_of(base), None))


def test_a_shape_that_stays_does_not_count_where_another_thing_is_or_goes() -> None:
    maps = torch.zeros(1, 3, 8, 8)
    maps[:, 0, 4:] = 1  # the floor ...
    maps[:, 1, 4:6, 1:3] = 1  # ... and a thing
    going = (Columns((1,), (1,)), Transform(shift=(3 / 7, 0)))
    held, freed = (Shape((SITE,), Columns((0,), (0,)), free=free) for free in ((), (going,)))
    for rows, columns, expected in ((slice(4, 6), slice(4, 6), 0), (slice(0, 2), slice(0, 2), 1)):
        other = maps.clone()
        other[:, 0, rows, columns] = 1 - other[:, 0, rows, columns]
        apart = [float(shape(seen_of(other), shape.measure(seen_of(maps)))) for shape in (held, freed)]
        assert apart[0] > 0.05
        assert apart[1] == pytest.approx(expected * apart[0], abs=2e-3)


def test_words_that_have_a_place_are_excited_and_those_without_are_not() -> None:
    maps = torch.full((1, 6, 8, 8), 0.01, dtype=torch.float64)
    maps[:, 0] = 0.9
    maps[:, 2, 1:4, 1:4] = 0.2
    strong = Excite((SITE,), ((2,),), last=5)
    weak = Excite((SITE,), ((3,),), last=5)
    seen = seen_of(maps)
    assert float(strong(seen, None)) < 0.05 < 0.5 < float(weak(seen, None))
    both = Excite((SITE,), ((2,), (3,)), 5)
    assert float(both(seen, None)) == float(weak(seen, None))
    assert float(Suppress((SITE,), ((2,),), 5)(seen, None)) == pytest.approx(1 - float(strong(seen, None)))


def test_the_maps_of_words_are_a_smoothed_distribution_over_tokens() -> None:
    maps = word_maps([random_maps()], last=4)
    assert maps.shape == (2, 3, 6, 7)
    torch.testing.assert_close(maps.sum(1), torch.ones(2, 6, 7, dtype=torch.float64))


def test_apart_is_about_places() -> None:
    maps = torch.zeros(1, 4, 8, 8, dtype=torch.float64)
    maps[:, 1, :3, :3] = maps[:, 2, 5:, 5:] = maps[:, 3, :3, 1:4] = 1
    apart = Apart((SITE,), ((1,), (2,)))
    near = Apart((SITE,), ((1,), (3,)))
    assert float(apart(seen_of(maps), None)) < 0.01 < 0.5 < float(near(seen_of(maps), None))


ENERGIES: dict[str, Callable[[], Any]] = {
    "centroid": lambda: Centroid((SITE,), ALL, by=(0.2, -0.1)),
    "plain centroid": lambda: Centroid((SITE,), ALL, by=(0.2, -0.1), sharp=False),
    "target": lambda: Centroid((SITE,), ALL, target=(0.9, 0.1), squared=True),
    "smooth centroid": lambda: Centroid((SITE,), ALL, by=(0.2, -0.1), smooth=0.01),
    "size": lambda: Size((SITE,), ALL, factor=1.7),
    "shape": lambda: Shape((SITE,), ALL, transform=Transform((0.1, 0.2), 1.3, 20)),
    "squared shape": lambda: Shape((SITE,), ALL, transform=Transform((0.1, 0.2), 1.3, 20), squared=True),
    "appearance": lambda: Appearance((SITE,), ALL, features="psi"),
    "tint": lambda: Tint((SITE,), ALL),
    "squared tint": lambda: Tint((SITE,), ALL, squared=True),
    "excite": lambda: Excite((SITE,), ((1,), (2, 3)), 4),
    "suppress": lambda: Suppress((SITE,), ((1,), (2, 3)), 4),
    "apart": lambda: Apart((SITE,), ((1,), (2,))),
}


@pytest.mark.parametrize("name", ENERGIES)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    """z -> attention and features through a small smooth network in float64; every built-in energy on it."""
    g = torch.Generator().manual_seed(7)
    to_k = torch.randn(5, 3, generator=g, dtype=torch.float64)
    to_psi = torch.randn(4, 3, generator=g, dtype=torch.float64)
    energy: Energy = ENERGIES[name]()

    def look(z: Tensor) -> Observation:
        maps = torch.einsum("kc,bchw->bkhw", to_k, torch.tanh(z)).softmax(1)
        seen = seen_of(maps, torch.einsum("dc,bchw->bdhw", to_psi, torch.sin(z)))
        seen.x0 = torch.tanh(z)
        return seen

    origin = energy.measure(look(torch.randn(2, 3, 6, 7, generator=g, dtype=torch.float64)))
    origin = None if origin is None else origin.detach()
    z = torch.randn(2, 3, 6, 7, generator=g, dtype=torch.float64)
    leaf = z.clone().requires_grad_(True)
    value = energy(look(leaf), origin)
    assert value.shape == (2,)
    (gradient,) = torch.autograd.grad(value.sum(), leaf)
    assert float(gradient.abs().max()) > 1e-6
    direction = torch.randn(z.shape, generator=g, dtype=torch.float64)
    step = 1e-6 * direction
    if name == "appearance":  # the silhouette carries no gradient: hold it where it is
        held = look(z).attention
        real = look

        def look(z: Tensor) -> Observation:
            found = real(z)
            found.attention = held
            return found

    slope = (energy(look(z + step), origin).sum() - energy(look(z - step), origin).sum()) / 2e-6
    assert float(slope) == pytest.approx(float((gradient * direction).sum()), rel=1e-5, abs=1e-8)


def test_equal_things_do_not_pull_and_unequal_ones_pull_as_before() -> None:
    """The slope of a plain absolute difference is the sign of rounding noise where nothing differs."""
    noise = torch.tensor([[1e-7, -1e-7, 0.0]], requires_grad=True)
    (smooth,) = torch.autograd.grad(distance(noise, torch.zeros(1, 3), False, 0.01).sum(), noise)
    (sharp,) = torch.autograd.grad(distance(noise, torch.zeros(1, 3), False).sum(), noise)
    assert float(smooth.abs().max()) < 1e-5 < 0.3 < float(sharp.abs().max())
    far = torch.tensor([[0.4, -0.3, 0.02]], requires_grad=True)
    slopes = [torch.autograd.grad(distance(far, torch.zeros(1, 3), False, d).sum(), far)[0] for d in (0.0, 0.01)]
    assert torch.equal(*slopes)
    at = torch.tensor([[0.01]], dtype=torch.float64)
    both = [float(distance(at + step, torch.zeros_like(at), False, 0.01)) for step in (-1e-12, 1e-12)]
    assert both[0] == pytest.approx(both[1], abs=1e-11)
