"""Settings of decoder tuning, and decoding with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scumble.methods.inpainting.fields import MaskFields

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["DecoderFields"]


class DecoderFields(MaskFields):
    """Fields for how the untouched part is restored (arXiv 2206.02779 section 4.2)."""

    background: Literal["paste", "decoder"] = "paste"
    """How the untouched part is restored: pasted, or by a decoder tuned to it for each candidate, then pasted."""
    decoder_steps: int = Field(default=75, ge=1, le=2000)
    """Steps of decoder tuning."""
    decoder_rate: float = Field(default=1e-4, gt=0, le=0.1)
    """Learning rate of decoder tuning."""
    preservation: float = Field(default=100.0, ge=0, le=1e6)
    """Weight of the untouched part in decoder tuning."""

    def decode(self, batch: EditBatch, result: Tensor) -> Tensor:
        """Decode; where asked for, with a decoder tuned to the untouched part."""
        import torch

        from scumble.methods.inpainting.decoder_tuning import DecoderTuning, decode_tuned

        if self.background == "paste" or batch.change is None:
            return super().decode(batch, result)
        fit = DecoderTuning(self.decoder_steps, self.decoder_rate, self.preservation)
        inside = self.mask(batch, coarse=False).expand(batch.count, -1, -1, -1)
        pairs = zip(result.split(1), inside.split(1), strict=True)

        def tell(k: int) -> None:
            batch.tell(k + 1, self.decoder_steps, result)

        with batch.watch.phase("optimize", self.decoder_steps, counts=False):
            tuned = [decode_tuned(batch.model, z, batch.picture, region, fit, tell) for z, region in pairs]
        batch.report.say_of_each(decoder_loss=[(round(first, 6), round(last, 6)) for _, first, last in tuned])
        return torch.cat([picture for picture, _, _ in tuned])
