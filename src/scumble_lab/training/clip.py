"""The CLIP pair: a text and a vision tower; and the judge, the same from another seed and of another size."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from scumble_lab.bench.attributes import OBJECT_HEADS, SLOTS, attribute_loss, outputs, split, targets
from scumble_lab.training.augment import roughened
from scumble_lab.training.config import ClipConfig, Size
from scumble_lab.training.data import World
from scumble_lab.training.loop import Draw
from scumble_lab.training.sheet import save_sheet
from scumble_lab.training.texts import WORDINGS, Spoiler, wordings
from scumble_lab.training.tokenizer import LENGTH, build_tokenizer, token_ids
from scumble_lab.world import Scene, caption, render, sample_scene

__all__ = ["ClipTask", "build_clip", "picture_features", "retrieval", "text_features", "zero_shot"]


def build_clip(config: ClipConfig, tokenizer: CLIPTokenizer, picture: int) -> CLIPModel:
    """A fresh pair of towers."""
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": config.text_width,
        "intermediate_size": config.text_width * 3,
        "num_hidden_layers": config.text_layers,
        "max_position_embeddings": LENGTH,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {
        "hidden_size": config.vision_width,
        "intermediate_size": config.vision_width * 3,
        "num_hidden_layers": config.vision_layers,
        "image_size": picture,
        "patch_size": config.patch,
    }
    common = {
        "num_attention_heads": config.heads,
        "hidden_act": "quick_gelu",
        "projection_dim": config.projection,
    }
    return CLIPModel(
        CLIPConfig(text_config=text | common, vision_config=vision | common, projection_dim=config.projection)
    )


def text_features(clip: CLIPModel, ids: Tensor) -> Tensor:
    """Token ids (B, L) to unit vectors (B, D); padding beyond the longest sentence is not computed."""
    longest = int((ids != clip.config.text_config.eos_token_id).sum(1).max()) + 1
    pooled = clip.text_model(input_ids=ids[:, :longest]).pooler_output
    return F.normalize(clip.text_projection(pooled).float(), dim=-1)


def picture_features(clip: CLIPModel, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (B, 3, H, W) in [-1, 1] to unit vectors (B, D) and the tower's own pooled output."""
    pooled = clip.vision_model(pixel_values=pictures).pooler_output
    return F.normalize(clip.visual_projection(pooled).float(), dim=-1), pooled


class ClipTask:
    """Contrast within the batch and against false sentences; attribute heads help the vision tower along."""

    def __init__(self, size: Size, config: ClipConfig, world: World) -> None:
        self.config, self.world, self.picture = config, world, size.picture
        self.device, self.bf16 = torch.device(size.device), size.bf16
        self.tokenizer = build_tokenizer()
        self.spoiler = Spoiler(self.tokenizer)
        self.ids = wordings(world.scenes, self.tokenizer, config.schedule.seed)
        self.true = targets(world.scenes)
        torch.manual_seed(config.schedule.seed)
        self.clip = build_clip(config, self.tokenizer, size.picture).to(self.device)
        if self.device.type == "cpu":
            self.clip.set_attn_implementation("eager")  # the fused kernel's backward is slower for few tokens
        per_object, per_scene = outputs()
        self.head = nn.Linear(config.vision_width, SLOTS * per_object + per_scene).to(self.device)

    def modules(self) -> Mapping[str, nn.Module]:
        """The towers and the heads; the heads are not published."""
        return {"clip": self.clip, "head": self.head}

    def rates(self) -> Mapping[str, float]:
        """One rate."""
        return {"clip": 1.0, "head": 1.0}

    def loss(self, draw: Draw, batch: int, progress: float) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Part of the batch are pairs of pictures that differ in one attribute (see `data.draw_scenes`)."""
        pairs = round(batch * self.config.pairs / 2)
        first = draw.index(self.world.trained // 4, pairs) * 4 + 2
        index = torch.cat([first, first + 1, draw.index(self.world.trained, batch - 2 * pairs)])
        x = roughened(self.world.batch(index, self.device), draw)
        ids = self.ids[index, draw.index(WORDINGS, batch)]
        false = [self.spoiler.spoil(ids, draw.host) for _ in range(self.config.negatives)]
        texts = text_features(self.clip, torch.cat([ids, *false]).to(self.device))
        pictures, pooled = picture_features(self.clip, x)
        scale = self.clip.logit_scale.exp().clamp(max=60)
        logits = scale * pictures @ texts.t()  # (B, B + B * negatives)
        known = (ids[:, None] == ids[None]).all(-1).to(self.device)  # the same sentence twice is no negative
        known.fill_diagonal_(False)
        logits[:, :batch] = logits[:, :batch].masked_fill(known, -1e4)
        right = torch.arange(batch, device=self.device)
        contrast = (F.cross_entropy(logits, right) + F.cross_entropy(logits[:, :batch].t(), right)) / 2
        per_object, _ = outputs()
        answers = self.head(pooled)
        heads = split(
            answers[:, : SLOTS * per_object].unflatten(1, (SLOTS, per_object)), answers[:, SLOTS * per_object :]
        )
        attributes = attribute_loss(heads, {key: value[index] for key, value in self.true.items()})
        loss = contrast + self.config.attribute_weight * attributes
        return loss, {"contrast": contrast.detach(), "attributes": attributes.detach()}

    def validate(self) -> Mapping[str, float]:
        """Retrieval among the held-out scenes, and zero-shot attributes of single objects."""
        start, count = self.world.trained, min(256, self.world.held_out)
        ids = self.ids[start : start + count, 0].to(self.device)
        by_text, by_picture = retrieval(self.clip, ids, self.world.unseen(count, self.device))
        scenes = [sample_scene(random.Random(f"zero-shot/{i}"), objects=1) for i in range(96)]
        shares = zero_shot(self.clip, self.tokenizer, scenes, render_as_input(scenes, self.picture, self.device))
        return {"t2i": by_text, "i2t": by_picture, **shares}

    def sheet(self, path: Path) -> None:
        """Nothing is generated here; the first held-out pictures, to see what is looked at."""
        save_sheet(self.world.unseen(16), path)


def render_as_input(scenes: Sequence[Scene], size: int, device: torch.device | str) -> Tensor:
    """The true pictures (B, 3, size, size) in [-1, 1]."""
    return render(scenes, size, device=device).float().div(127.5).sub(1.0)


@torch.no_grad()
def retrieval(clip: CLIPModel, ids: Tensor, pictures: Tensor) -> tuple[float, float]:
    """Share of sentences (N, L) that find their picture among N, and of pictures that find their sentence."""
    texts = text_features(clip, ids)
    image_features = torch.cat([picture_features(clip, x)[0] for x in pictures.split(64)])
    match, right = texts @ image_features.t(), torch.arange(len(ids), device=ids.device)
    return (match.argmax(1) == right).float().mean().item(), (match.argmax(0) == right).float().mean().item()


@torch.no_grad()
def zero_shot(clip: CLIPModel, tokenizer: CLIPTokenizer, scenes: Sequence[Scene], pictures: Tensor) -> dict[str, float]:
    """Share of single-object pictures whose true word wins against all others of its kind in the sentence."""
    image_features = torch.cat([picture_features(clip, x)[0] for x in pictures.split(64)])
    shares = {}
    for key, words in OBJECT_HEADS.items():
        texts = [caption(_with(scene, key, word)) for scene in scenes for word in words]
        ids = token_ids(tokenizer, texts).to(image_features.device)
        caption_features = torch.cat([text_features(clip, part) for part in ids.split(256)]).unflatten(
            0, (len(scenes), len(words))
        )
        best = torch.einsum("nkd,nd->nk", caption_features, image_features).argmax(1).tolist()
        right = [words[b] == getattr(scene.objects[0], key) for b, scene in zip(best, scenes, strict=True)]
        shares[key] = sum(right) / len(right)
    return shares


def _with(scene: Scene, key: str, word: str) -> Scene:
    """The scene with another word; put in the middle so that no word is refused for want of room."""
    words: dict[str, Any] = {key: word}
    item = changed(scene.objects[0], x=0.0, y=0.0, **words)
    return changed(scene, objects=(item,))
