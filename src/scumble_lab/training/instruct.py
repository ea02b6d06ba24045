"""A U-Net that edits a picture as it is asked to, in InstructPix2Pix's format (arXiv 2211.09800).

It takes eight channels: the noisy latent, and the latent of the picture to be edited (the posterior's mean, not scaled,
as in diffusers' pipeline). It begins as the latent model, with zeros for the new channels, and learns from pairs of
our world and their true edits, in both directions. Autoencoder and text encoder stay those of the latent model; only
embeddings of words that no caption holds are learned besides (`open_words`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn

from scumble_lab.training.latent import decode, latent_scheduler
from scumble_lab.training.loop import Draw
from scumble_lab.training.losses import denoising_loss
from scumble_lab.training.open_words import OpenWords
from scumble_lab.training.pairs import WORDINGS, open_pairs
from scumble_lab.training.run_folder import RunFolder
from scumble_lab.training.sheet import save_sheet
from scumble_lab.training.teacher import Teacher
from scumble_lab.training.tokenizer import build_tokenizer, token_ids

__all__ = ["InstructTask", "edited_cells", "sample_instructed", "widened"]

PAIRS_SEED = 3
"""Of the pairs' scenes; other whole numbers are those of the other models' scenes."""


def widened(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """Return a U-Net with twice the input channels that gives what ``unet`` gives, whatever the new channels hold."""
    channels = int(unet.config.in_channels)
    wide: Any = UNet2DConditionModel.from_config({**unet.config, "in_channels": 2 * channels})
    state = unet.state_dict()
    first = state["conv_in.weight"]
    wide.load_state_dict({**state, "conv_in.weight": torch.cat([first, torch.zeros_like(first)], dim=1)})
    network: UNet2DConditionModel = wide.to(unet.device)
    return network


def edited_cells(before: Tensor, after: Tensor, focus: float) -> Tensor:
    """How much each cell counts (B, 1, h, w), of mean 1: one that the edit changes ``1 + focus`` times the others.

    What an edit leaves alone is most of the picture and easily copied; the loss would hardly hear the rest.
    """
    weight = 1 + focus * ((after - before).abs().amax(1, keepdim=True) > 0.25).float()
    return weight / weight.mean((1, 2, 3), keepdim=True)


class InstructTask:
    """Epsilon prediction of the result's latent, given the source's latent and the instruction."""

    def __init__(self, folder: RunFolder) -> None:
        size = folder.size
        self.config = size.instruct
        self.device, self.bf16 = torch.device(size.device), size.bf16
        self.teacher = Teacher.of(folder)
        config = self.config
        self.pairs = open_pairs(
            folder.root / "pairs", config.pairs, config.held_out, PAIRS_SEED, self.teacher.vae, size.picture
        )
        self.words = OpenWords.into(self.teacher.text)
        self.empty = token_ids(build_tokenizer(), [""])
        self.unet = widened(self.teacher.unet).to(memory_format=torch.channels_last).requires_grad_(True)
        if self.device.type == "cpu":
            self.unet.set_attn_processor(AttnProcessor())
        self.abar = latent_scheduler().alphas_cumprod.to(self.device)

    def modules(self) -> Mapping[str, nn.Module]:
        """The U-Net, and the words that it has to be told apart by."""
        return {"unet": self.unet, "words": self.words}

    def rates(self) -> Mapping[str, float]:
        """Of the schedule's rate."""
        return {"unet": 1.0, "words": self.config.word_rate}

    def loss(self, draw: Draw, batch: int, progress: float) -> tuple[Tensor, Mapping[str, Tensor]]:
        """One batch; words, picture or both are left out now and then, so that there are two guidance scales."""
        index = draw.index(self.pairs.trained, batch)
        wording = draw.index(WORDINGS, batch)
        back = torch.rand(batch, generator=draw.host) < 0.5
        before, after = self.pairs.before[index].float(), self.pairs.after[index].float()
        turned = back[:, None, None, None]
        source, x0 = torch.where(turned, after, before), torch.where(turned, before, after)
        ids = torch.where(back[:, None], self.pairs.ids_back[index, wording], self.pairs.ids[index, wording])
        share, drop = torch.rand(batch, generator=draw.host), self.config.dropout
        ids = torch.where((share < 2 * drop)[:, None], self.empty, ids)
        without = (share >= drop) & (share < 3 * drop)
        source = torch.where(without[:, None, None, None], torch.zeros_like(source), source)
        focus = edited_cells(before, after, self.config.focus).to(self.device)
        x0 = x0.to(self.device)
        t = draw.index(len(self.abar), batch).to(self.device)
        return self._loss(x0, source.to(self.device), ids.to(self.device), t, draw.normal(x0), focus)

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """Squared error of epsilon on held-out pairs, levels spread evenly, noise fixed."""
        rows = slice(self.pairs.trained, len(self.pairs.before))
        source, x0 = (t[rows].float().to(self.device) for t in (self.pairs.before, self.pairs.after))
        noise = Draw.of(7, 7, self.device).normal(x0)
        t = torch.linspace(20, 980, len(x0)).long().to(self.device)
        ids = self.pairs.ids[rows, 0].to(self.device)
        errors = [
            self._loss(x0[k], source[k], ids[k], t[k], noise[k])[1]["mse"] * len(k)
            for k in torch.arange(len(x0), device=self.device).split(64)
        ]
        return {"mse": (torch.stack(errors).sum() / len(x0)).item()}

    @torch.no_grad()
    def sheet(self, path: Path) -> None:
        """Sources, what the instructions made of them, and the true results of held-out pairs."""
        rows = slice(self.pairs.trained, self.pairs.trained + 8)
        source, truth = (t[rows].float().to(self.device) for t in (self.pairs.before, self.pairs.after))
        images = sample_instructed(
            self.unet, self._words(self.pairs.ids[rows, 0]), self._words(self.empty), source / self.scale
        )
        save_sheet(torch.cat([decode(self.teacher.vae, x) for x in (source, images, truth)]), path)

    @property
    def scale(self) -> float:
        """Factor from the autoencoder's own latents to those of unit variance."""
        return float(self.teacher.vae.config.scaling_factor)

    def _words(self, ids: Tensor) -> Tensor:
        words: Tensor = self.teacher.text(ids.to(self.device))[0]
        return words

    def _loss(
        self, x0: Tensor, source: Tensor, ids: Tensor, t: Tensor, noise: Tensor, focus: Tensor | None = None
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        words, picture = self._words(ids), source / self.scale
        return denoising_loss(
            lambda x, t: self.unet(
                torch.cat([x, picture], 1).contiguous(memory_format=torch.channels_last), t, words
            ).sample,
            x0, t, noise, self.abar, self.config.snr_limit, focus=focus,
        )  # fmt: skip


@torch.no_grad()
def sample_instructed(
    unet: UNet2DConditionModel,
    words: Tensor,
    empty: Tensor,
    picture: Tensor,
    *,
    steps: int = 20,
    guidance: float = 4.0,
    image_guidance: float = 1.5,
    seed: int = 0,
) -> Tensor:
    """DDIM under two guidance scales (arXiv 2211.09800 eq. 3); scaled latents (B, C, h, w).

    ``words`` (B, L, D), ``empty`` (1, L, D); ``picture`` (B, C, h, w) is the source's latent, not scaled.
    """
    scheduler = latent_scheduler()
    scheduler.set_timesteps(steps)
    none = empty.expand_as(words)
    conditioning, shown = torch.cat([words, none, none]), torch.cat([picture, picture, torch.zeros_like(picture)])
    x = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed)).to(picture)
    for t in scheduler.timesteps:
        both, image, neither = (
            unet(torch.cat([x.repeat(3, 1, 1, 1), shown], 1), t, conditioning).sample.float().chunk(3)
        )
        eps = neither + guidance * (both - image) + image_guidance * (image - neither)
        x = scheduler.step(eps, t, x).prev_sample
    return x
