"""A student of the latent model that needs four steps and no guidance (arXiv 2405.07510, 2202.00512).

Four segments of the teacher's path, each of several guided DDIM steps, become one DDIM step each: the student learns
the x0 with which its step lands where the teacher's steps land. It stays an ordinary DDIM model at trailing levels.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from scumble_lab.training.latent import decode, latent_scheduler, sample_latents
from scumble_lab.training.latents import encoded_world
from scumble_lab.training.loop import Draw
from scumble_lab.training.run_folder import RunFolder
from scumble_lab.training.sheet import save_sheet
from scumble_lab.training.teacher import Teacher
from scumble_lab.training.texts import WORDINGS, wordings
from scumble_lab.training.tokenizer import build_tokenizer, token_ids
from scumble_lab.world import caption

__all__ = ["STARTS", "FastTask", "fast_scheduler"]

STARTS = (999, 749, 499, 249)
"""Train timesteps at which the four steps begin; the last one ends at the clean latent."""

CLEAN = 1000
"""Index of the clean level in the table of abar, behind its thousand entries."""


def fast_scheduler() -> DDIMScheduler:
    """Return the latent model's schedule with trailing levels, which for 4 steps are ``STARTS``, and a clean end."""
    table = latent_scheduler().config
    return DDIMScheduler(
        beta_start=table.beta_start,
        beta_end=table.beta_end,
        beta_schedule=table.beta_schedule,
        clip_sample=False,
        timestep_spacing="trailing",
        steps_offset=1,  # without effect on trailing levels; pipelines warn about 0
    )


class FastTask:
    """Segment regression from the finished latent model, with its guidance baked in."""

    def __init__(self, shop: RunFolder) -> None:
        size = shop.size
        self.config, self.world = size.fast, shop.world()
        self.device, self.bf16 = torch.device(size.device), size.bf16
        self.teacher = Teacher.of(shop)
        self.latents = encoded_world(shop, self.teacher.vae)
        self.tokenizer = build_tokenizer()
        self.ids = wordings(self.world.scenes, self.tokenizer, self.config.schedule.seed)
        self.empty = token_ids(self.tokenizer, [""])
        self.unet: UNet2DConditionModel = copy.deepcopy(self.teacher.unet).requires_grad_(True)
        for unet in (self.teacher.unet, self.unet):
            unet.to(memory_format=torch.channels_last)
        table = latent_scheduler().alphas_cumprod
        self.abar = torch.cat([table, torch.ones(1)]).to(self.device)
        self.starts = torch.tensor([*STARTS, CLEAN], device=self.device)

    def modules(self) -> Mapping[str, nn.Module]:
        """The student's U-Net."""
        return {"unet": self.unet}

    def rates(self) -> Mapping[str, float]:
        """The schedule's rate."""
        return {"unet": 1.0}

    def loss(self, draw: Draw, batch: int, progress: float) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Error of x0, weighted by the signal-to-noise ratio between 1 and a limit (min-SNR, arXiv 2303.09556)."""
        index = draw.index(self.world.trained, batch)
        mean, std = self.latents[index].to(self.device).float().unbind(1)
        x0 = mean + std * draw.normal(mean)
        ids = self.ids[index, draw.index(WORDINGS, batch)]
        dropped = torch.rand(batch, generator=draw.host) < self.config.caption_dropout
        words, empty = self._read(torch.where(dropped[:, None], self.empty, ids))
        segment = draw.index(len(STARTS), batch).to(self.device)
        x, t, goal = self.pair(x0, words, empty, draw.normal(x0), segment)
        error = (self._x0(x, t, words) - goal).square().mean((1, 2, 3))
        a, s = self._level(t)
        snr = (a / s).square().flatten()
        return (error * snr.clamp(1.0, self.config.snr_limit)).mean(), {"x0": error.mean().detach()}

    @torch.no_grad()
    def pair(
        self, x0: Tensor, words: Tensor, empty: Tensor, noise: Tensor, segment: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return x at the start of each row's segment, its timestep, and the x0 with which one step ends like four.

        ``x0``, ``noise``: (B, C, h, w); ``words``, ``empty``: (B, L, D); ``segment``: (B,) in 0 to 3.
        """
        start, end = self.starts[segment], self.starts[segment + 1]
        last = torch.where(end == CLEAN, 0, end)
        a, s = self._level(start)
        x = x_start = a * x0 + s * noise
        substeps = self.config.substeps
        for k in range(substeps):
            t = start + (last - start) * k // substeps
            t_next = start + (last - start) * (k + 1) // substeps
            t_next = torch.where((end == CLEAN) & (k == substeps - 1), CLEAN, t_next)
            both = self.teacher.unet(torch.cat([x, x]), torch.cat([t, t]), torch.cat([words, empty])).sample.float()
            cond, uncond = both.chunk(2)
            eps = uncond + self.config.guidance * (cond - uncond)
            (a_t, s_t), (a_next, s_next) = self._level(t), self._level(t_next)
            x = a_next * (x - s_t * eps) / a_t + s_next * eps
        a_end, s_end = self._level(end)
        ratio = s_end / s
        return x_start, start, (x - ratio * x_start) / (a_end - ratio * a)

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """Squared error of x0 in each segment, on 64 held-out scenes with fixed noise."""
        count = min(64, len(self.world.scenes) - self.world.trained)
        rows = slice(self.world.trained, self.world.trained + count)
        x0 = self.latents[rows, 0].to(self.device).float()
        words, empty = self._read(self.ids[rows, 0])
        noise = Draw.of(7, 7, self.device).normal(x0)
        figures = {}
        for k in range(len(STARTS)):
            x, t, goal = self.pair(x0, words, empty, noise, torch.full((count,), k, device=self.device))
            figures[f"x0_{k}"] = (self._x0(x, t, words) - goal).square().mean().item()
        return figures

    def sheet(self, path: Path) -> None:
        """Pictures in four steps for held-out sentences, true ones below."""
        texts = [caption(scene) for scene in self.world.scenes[self.world.trained :][:8]]
        latents = sample_latents(
            self.unet, self.teacher.text, self.tokenizer, texts,
            steps=len(STARTS), guidance=1.0, scheduler=fast_scheduler(),
        )  # fmt: skip
        save_sheet(torch.cat([decode(self.teacher.vae, latents), self.world.unseen(8)]), path)

    def _level(self, t: Tensor) -> tuple[Tensor, Tensor]:
        abar = self.abar[t].view(-1, 1, 1, 1)
        return abar.sqrt(), (1 - abar).clamp(min=0).sqrt()

    @torch.no_grad()
    def _read(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of the sentences, and of no words in as many rows."""
        words = self.teacher.text(ids.to(self.device))[0]
        return words, self.teacher.text(self.empty.to(self.device))[0].expand_as(words)

    def _x0(self, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
        """The student's x0 (B, C, h, w)."""
        a, s = self._level(t)
        eps: Tensor = self.unet(x.contiguous(memory_format=torch.channels_last), t, words).sample.float()
        return (x - s * eps) / a
