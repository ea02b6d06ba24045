"""The decoder layers into which Plug-and-Play injects, found in any U-Net."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from scumble.errors import MethodError
from scumble.models.sites import sites
from scumble.models.taps import module_at

__all__ = ["InjectionSites", "injection_sites"]


@dataclass(frozen=True)
class InjectionSites:
    """Paths of the modules whose outputs are overwritten.

    Attributes:
        feature: The second convolution of one decoder resnet: its branch before the shortcut is added.
        attention: ``to_q`` and ``to_k`` of the decoder's self-attention after it.
    """

    feature: str
    attention: tuple[str, ...]


def injection_sites(denoiser: nn.Module) -> InjectionSites:
    """The published layers of Stable Diffusion, found in any U-Net by their place.

    The feature: the second resnet of the first decoder block with attention (``up_blocks[1].resnets[1]`` of SD 1 and
    2). Attention: all decoder self-attention from there on (layers 4 to 11 of SD).

    Raises:
        MethodError: If the decoder has no self-attention, or runs it through fused projections.
    """
    attention = [(_place(s.path), s.path) for s in sites(denoiser, "self_attention") if s.place == "up"]
    if not attention:
        raise MethodError("the decoder of this network has no self-attention, so plug-and-play has nothing to inject")
    block = min(place for place, _ in attention)[0]
    resnets = [_place(s.path) for s in sites(denoiser, "resnet") if s.place == "up" and _place(s.path)[0] == block]
    layer = resnets[min(1, len(resnets) - 1)]
    chosen = [path for place, path in attention if place >= layer]
    for path in chosen:
        if getattr(module_at(denoiser, path), "fused_projections", False):
            raise MethodError(f"{path!r} has fused projections: unfuse them (pipe.unfuse_qkv_projections()) first")
    parts = tuple(f"{path}.{part}" for path in chosen for part in ("to_q", "to_k"))
    return InjectionSites(f"up_blocks.{layer[0]}.resnets.{layer[1]}.conv2", parts)


def _place(path: str) -> tuple[int, int]:
    _, block, _, layer, *_ = path.split(".")
    return int(block), int(layer)
