"""The binary mask that inpainting methods share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scumble.methods.base import ImageMethod

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["MaskFields"]


class MaskFields(ImageMethod):
    """A method with a binary mask: the change map at 0.5 or more is inside."""

    invert_mask: bool = False
    """Change the outside of the mask instead of the inside: another background for the same object."""
    enforce_background: bool = True
    """Keep the bytes of pixels outside the mask; False shows the model's version of them."""

    def prepare_map(self, change: Tensor) -> Tensor:
        """Threshold at 0.5, and invert where asked for."""
        inside = change >= 0.5
        return (~inside if self.invert_mask else inside).float()

    @property
    def keeps_outside(self) -> bool:
        """As given."""
        return self.enforce_background

    def mask(self, batch: EditBatch, coarse: bool = True) -> Tensor:
        """The boolean mask (1 or B, 1, h, w) in the model's space, all true where there is none.

        A cell is inside if at least half of its pixels are. If a sample's mask is too thin for that, every cell that
        it touches is inside, so that no mask is lost.
        """
        import torch

        from scumble.images import latent_map

        factor = batch.model.factor if coarse else 1
        width, height = batch.size
        if batch.change is None:
            shape = (1, 1, height // factor, width // factor)
            return torch.ones(shape, dtype=torch.bool, device=batch.model.device)
        change = batch.change.to(batch.model.device)
        half = latent_map(change, factor, "area") >= 0.5
        touched = latent_map(change, factor, "max") > 0
        empty = ~half.flatten(1).any(dim=1)
        return torch.where(empty[:, None, None, None], touched, half)
