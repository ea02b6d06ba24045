"""PaintByWord++: optimize a latent inside a mask until CLIP sees the prompt (arXiv 2103.10951, 2111.14818)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from scumble.errors import MethodError
from scumble.file_field import FileField
from scumble.methods.cache import Key
from scumble.methods.clip_scorer import scorer_of
from scumble.methods.footprint import Footprint
from scumble.methods.inpainting.fields import MaskFields
from scumble.methods.inpainting.ranking_fields import ClipRanking

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch
    from scumble.models.codec import Codec

__all__ = ["CODEC", "PaintByWord"]

CODEC: Key[Codec] = Key("codec", everywhere=True)
"""The autoencoder whose latents are optimized."""


class PaintByWord(ClipRanking, MaskFields):
    """Optimize the latent of a region under CLIP, without a diffusion model: a baseline of the blended papers."""

    paper: ClassVar[str] = "Paint by Word, arXiv 2103.10951; PaintByWord++ as described in 2111.14818"
    footprint: ClassVar[Footprint] = Footprint(through_decoder=1)

    prompt: str = ""
    """Text prompt: what the region should show."""
    vq: Annotated[str | None, FileField("model")] = None
    """Folder of a diffusers VQModel. Default: the model's own autoencoder."""
    iterations: int = Field(default=200, ge=0, le=10_000)
    """Steps of Adam (500 in the papers)."""
    learning_rate: float = Field(default=0.1, gt=0, le=10)
    """Step size of Adam, relative to the standard deviation of the latent."""
    augmentations: int = Field(default=16, ge=1, le=256)
    """Number of views that CLIP sees, the plain one included."""
    view_noise: float = Field(default=0.1, ge=0, le=1)
    """Largest standard deviation of the noise on the views."""
    clip_weight: float = Field(default=1.0, ge=0, le=1e6)
    """Weight of the CLIP loss towards the prompt."""
    background_weight: float = Field(default=0.05, ge=0, le=1e6)
    """Weight of the loss that keeps the image outside the region."""
    pull: float = Field(default=0.0, ge=0, le=1e6)
    """Weight of the pull back to the source latent."""
    confine: Literal["both", "latent", "loss"] = "both"
    """What protects the background: latent (only cells of the mask change), loss (outside the mask), or both."""
    clip_batch: int = Field(default=64, ge=1, le=65536)
    """Views per CLIP call; changes memory use, not the result."""

    def check(self, batch: EditBatch) -> None:
        """Refuse models without latents."""
        if batch.model.factor == 1 and self.vq is None:
            raise MethodError(f"{batch.model.name} has no autoencoder to paint with; give a VQModel folder with --vq")
        if self.prompt:
            scorer_of(batch.cache, self.clip, batch.model.device)

    def codec(self, batch: EditBatch) -> Codec:
        """The autoencoder, loaded once."""
        from scumble.models.codec import ModelCodec, VqCodec

        def load() -> Codec:
            return ModelCodec(batch.model) if self.vq is None else VqCodec.load(self.vq, batch.model.device)

        codec = batch.cache.get_or_make(CODEC, load)
        width, height = batch.size
        if width % codec.factor or height % codec.factor:
            raise MethodError(f"{codec.name} needs sides that are multiples of {codec.factor}, got {width}x{height}")
        return codec

    def decode(self, batch: EditBatch, result: Tensor) -> Tensor:
        """Decode with the autoencoder whose latent was optimized."""
        import torch

        return torch.cat([self.codec(batch).decode(row) for row in result.split(1)])

    def run(self, batch: EditBatch) -> Tensor | None:
        """Adam on the latent; every sample has its own views, and none sees the others."""
        import torch

        from scumble.images import latent_map
        from scumble.methods.inpainting.painting_losses import led_back, painting_losses, slope_at

        codec, mask = self.codec(batch), self.mask(batch, coarse=False)
        start = codec.encode(batch.picture).expand(batch.count, -1, -1, -1)
        batch.report.say(codec=codec.name)
        if not self.prompt or not self.iterations:
            return start
        cells = latent_map(mask.float(), codec.factor, "max") > 0
        prompt_loss, background = painting_losses(self, batch, mask)
        spread = float(start.std(dim=(-2, -1)).mean())
        z = start.clone().requires_grad_(True)
        adam = torch.optim.Adam([z], lr=self.learning_rate * spread)
        for k in range(self.iterations):
            with torch.enable_grad():
                painted = torch.where(cells, z, start) if self.confine != "loss" else z
                picture = codec.decode(painted)
            _, inside, slope = prompt_loss.at(picture.detach().clamp(-1, 1), batch.noise, k)
            slope = led_back(slope, picture.detach())
            if background is not None:
                slope = slope + slope_at(background, picture)
            (gradient,) = torch.autograd.grad(picture, z, slope)
            z.grad = gradient + self.pull * (z.detach() - start)
            adam.step()
            with torch.no_grad():
                if codec.bounds is not None:
                    z.clamp_(*codec.bounds)
            if k in (0, self.iterations - 1):
                when = "clip_loss_after" if k else "clip_loss_before"
                batch.report.say_of_each(**{when: [round(float(v), 6) for v in inside]})
            batch.tell(k + 1, self.iterations, painted.detach(), partial(codec.decode, painted.detach()))
        return torch.where(cells, z.detach(), start) if self.confine != "loss" else z.detach()
