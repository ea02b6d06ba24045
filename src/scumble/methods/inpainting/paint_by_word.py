"""PaintByWord++: a latent optimised inside a mask until a CLIP sees the words (arXiv 2103.10951, 2111.14818)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from scumble.errors import MethodError
from scumble.file_field import FileField
from scumble.methods.cache import Key
from scumble.methods.inpainting.fields import ClipRanking, MaskFields, scorer_of

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.energies.clip import ClipRegion
    from scumble.energies.picture import Background
    from scumble.methods.batch import EditBatch
    from scumble.models.codec import Codec

__all__ = ["CODEC", "PaintByWord"]

CODEC: Key[Codec] = Key("codec", everywhere=True)
"""The autoencoder that is painted with."""


class PaintByWord(ClipRanking, MaskFields):
    """Optimise the latent of the masked region under a CLIP, without a diffusion model: a baseline.

    With a VQ autoencoder this is the baseline of the blended papers; with a model's own KL autoencoder a relative.
    """

    paper: ClassVar[str] = "Paint by Word, arXiv 2103.10951; PaintByWord++ as described in 2111.14818"

    prompt: str = ""
    """What the region shall show."""
    vq: Annotated[str | None, FileField("model")] = None
    """Folder of a diffusers VQModel; by default the model's own autoencoder."""
    iterations: int = Field(default=200, ge=0, le=10_000)
    """Steps of Adam; the papers used 500."""
    learning_rate: float = Field(default=0.1, gt=0, le=10)
    """Step size of Adam, relative to the spread of the latent's values."""
    augmentations: int = Field(default=16, ge=1, le=256)
    """Views the CLIP judges, the plain one included."""
    view_noise: float = Field(default=0.1, ge=0, le=1)
    """Largest standard deviation of the noise on the views."""
    clip_weight: float = Field(default=1.0, ge=0, le=1e6)
    """How strongly the words pull."""
    background_weight: float = Field(default=0.05, ge=0, le=1e6)
    """How strongly the picture outside the region holds."""
    pull: float = Field(default=0.0, ge=0, le=1e6)
    """How strongly the latent is pulled back to the source's."""
    confine: Literal["both", "latent", "loss"] = "both"
    """What protects the background: only cells of the mask move, a loss outside of it, or both."""
    clip_batch: int = Field(default=64, ge=1, le=65536)
    """Views that go through the CLIP at once; changes memory, not the result."""

    def check(self, batch: EditBatch) -> None:
        """Refuse what has no latents."""
        if batch.model.factor == 1 and self.vq is None:
            raise MethodError(f"{batch.model.name} has no autoencoder to paint with; give a VQModel folder with --vq")
        if self.prompt:
            scorer_of(batch.cache, self.clip, batch.model.device)

    def codec(self, batch: EditBatch) -> Codec:
        """The autoencoder, loaded once."""
        from scumble.models.codec import ModelCodec, VqCodec

        def load() -> Codec:
            return ModelCodec(batch.model) if self.vq is None else VqCodec.load(self.vq, batch.model.device)

        found = batch.cache.get_or_make(CODEC, load)
        width, height = batch.size
        if width % found.factor or height % found.factor:
            raise MethodError(f"{found.name} needs sides that are multiples of {found.factor}, got {width}x{height}")
        return found

    def decode(self, batch: EditBatch, made: Tensor) -> Tensor:
        """Decode with the autoencoder that was painted with."""
        import torch

        return torch.cat([self.codec(batch).decode(row) for row in made.split(1)])

    def run(self, batch: EditBatch) -> Tensor | None:
        """Adam on the latent; every sample has its own views, and none sees the others."""
        import torch

        from scumble.images import latent_map

        codec, mask = self.codec(batch), self.mask(batch, coarse=False)
        start = codec.encode(batch.picture).expand(batch.count, -1, -1, -1)
        batch.report.say(codec=codec.name)
        if not self.prompt or not self.iterations:
            return start
        cells = latent_map(mask.float(), codec.factor, "max") > 0
        words, background = self._energies(batch, mask)
        spread = float(start.std(dim=(-2, -1)).mean())
        z = start.clone().requires_grad_(True)
        adam = torch.optim.Adam([z], lr=self.learning_rate * spread)
        for k in range(self.iterations):
            with torch.enable_grad():
                painted = torch.where(cells, z, start) if self.confine != "loss" else z
                picture = codec.decode(painted)
            _, inside, slope = words.at(picture.detach().clamp(-1, 1), batch.noise, k)
            # A value beyond the range keeps the gradient that leads back into it, and no other.
            beyond = picture.detach() - picture.detach().clamp(-1, 1)
            slope = torch.where(slope * beyond >= 0, slope, torch.zeros_like(slope))
            if background is not None:
                slope = slope + _slope(background, picture)
            (gradient,) = torch.autograd.grad(picture, z, slope)
            z.grad = gradient + self.pull * (z.detach() - start)
            adam.step()
            with torch.no_grad():
                if codec.bounds is not None:
                    z.clamp_(*codec.bounds)
            if k in (0, self.iterations - 1):
                when = "clip_loss_after" if k else "clip_loss_before"
                batch.report.say_of_each(**{when: [round(float(v), 6) for v in inside]})
            self._tell(batch, codec, k, painted.detach())
        return torch.where(cells, z.detach(), start) if self.confine != "loss" else z.detach()

    def _energies(self, batch: EditBatch, mask: Tensor) -> tuple[ClipRegion, Background | None]:
        import torch

        from scumble.energies.clip import ClipRegion
        from scumble.energies.perception import perceptual_distance
        from scumble.energies.picture import Background

        scorer = scorer_of(batch.cache, self.clip, batch.model.device)
        text = scorer.text_features([self.prompt])
        words = ClipRegion(
            scorer, text, mask, self.clip_weight, self.augmentations, self.clip_batch, view_noise=self.view_noise
        )
        if self.confine == "latent" or not self.background_weight or bool(mask.all()):
            return words, None
        source = torch.where(mask, torch.zeros_like(batch.picture), batch.picture)
        name, distance = perceptual_distance(source, lambda: scorer)
        batch.report.say(perceptual_distance=name)
        weight = self.background_weight
        return words, Background(source, mask, weight, 10 * weight, distance, absolute=True)

    def _tell(self, batch: EditBatch, codec: Codec, k: int, z: Tensor) -> None:
        batch.tell(k + 1, self.iterations, z, lambda: codec.decode(z))


def _slope(background: Background, picture: Tensor) -> Tensor:
    """Gradient of the background's loss at a picture (B, 3, H, W)."""
    import torch

    with torch.enable_grad():
        leaf = picture.detach().requires_grad_(True)
        return torch.autograd.grad(background.loss(leaf).sum(), leaf)[0]
