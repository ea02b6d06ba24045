"""The four skies: their colours, their light, and what stands in them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scumble_lab.world.batch import linear
from scumble_lab.world.vectors import value_noise
from scumble_lab.world.words import SKIES

Color = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Sky:
    """Colours in linear light."""

    zenith: Color
    horizon: Color
    sun: Color
    ambient: Color


LOOKS: dict[str, Sky] = {
    "day": Sky(linear((55, 120, 225)), linear((195, 222, 248)), (1.0, 0.97, 0.92), (0.32, 0.36, 0.42)),
    "sunset": Sky(linear((85, 70, 150)), linear((255, 150, 75)), (1.0, 0.76, 0.54), (0.36, 0.29, 0.31)),
    "night": Sky(linear((12, 18, 60)), linear((48, 62, 125)), (0.68, 0.70, 0.86), (0.24, 0.26, 0.34)),
    "overcast": Sky(linear((140, 148, 158)), linear((205, 208, 212)), (0.62, 0.63, 0.65), (0.46, 0.46, 0.48)),
}


@dataclass(frozen=True)
class Palette:
    """The skies' colours as tables (3, skies), to be indexed by sky number."""

    zenith: Tensor
    horizon: Tensor
    sun: Tensor
    ambient: Tensor


def palette(device: torch.device) -> Palette:
    """The tables on a device."""

    def table(field: str) -> Tensor:
        return torch.tensor([getattr(LOOKS[name], field) for name in SKIES], device=device).T.contiguous()

    return Palette(table("zenith"), table("horizon"), table("sun"), table("ambient"))


def gradient(colors: Palette, sky: Tensor, rise: Tensor) -> Tensor:
    """Plain sky colour (3, N) of skies (N,) at directions whose height is `rise` (N,)."""
    haze = torch.exp(-6.0 * rise.clamp(0, 1))
    return torch.lerp(colors.zenith[:, sky], colors.horizon[:, sky], haze)


def _mix(color: Tensor, other: Color, share: Tensor) -> Tensor:
    return torch.lerp(color, torch.tensor(other, device=color.device)[:, None].expand_as(color), share)


def _clouds(color: Tensor, azimuth: Tensor, rise: Tensor, seed: Tensor, tint: Color, most: float) -> Tensor:
    cover = value_noise(azimuth * 7 + seed, rise * 24 + seed, seed) * 0.72
    cover = cover + value_noise(azimuth * 15 + seed, rise * 42, seed) * 0.28
    return _mix(color, tint, ((cover - 0.48) * 3.2).clamp(0, 1) * most)


def _disc(azimuth: Tensor, rise: Tensor, seed: Tensor, height: float) -> Tensor:
    """Squared angle from the sun or moon, which stands somewhere left or right by the seed."""
    return (azimuth - torch.sin(seed * 1.7) * 0.22) ** 2 + (rise - height) ** 2


def paint(colors: Palette, sky: Tensor, directions: Tensor, seed: Tensor) -> Tensor:
    """Sky colours (3, N) with clouds, sun and moon; skies, seeds (N,), unit directions (3, N)."""
    rise = directions[2]
    azimuth = torch.atan2(directions[0], directions[1])
    color = gradient(colors, sky, rise)
    for number, name in enumerate(SKIES):
        (at,) = torch.nonzero(sky == number, as_tuple=True)
        base, a, e, s = color[:, at], azimuth[at], rise[at], seed[at]
        if name == "day":
            base = _clouds(base, a, e, s, (0.9, 0.92, 0.95), 0.85)
        elif name == "overcast":
            base = _clouds(base, a, e, s, (0.30, 0.32, 0.35), 0.45)
        elif name == "sunset":
            away = _disc(a, e, s, 0.075)
            glow = torch.tensor([0.7, 0.32, 0.05], device=at.device)[:, None]
            base = base + torch.exp(-away / 0.012) * glow
            base = _mix(base, (1.0, 0.86, 0.42), ((0.0021 - away) * 2500).clamp(0, 1))
        else:
            away = _disc(a, e, s, 0.085)
            base = base + torch.exp(-away / 0.006) * 0.08
            base = _mix(base, (0.82, 0.85, 0.80), ((0.0015 - away) * 3000).clamp(0, 1))
        color[:, at] = base
    return color
