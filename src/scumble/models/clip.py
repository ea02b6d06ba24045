"""Any CLIP as a judge of pictures by words: features on the unit sphere, differentiable in the picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor

from scumble.errors import CheckpointError
from scumble.models.loading.hub import is_hub_id
from scumble.models.quiet import without_progress_bars

__all__ = ["BUNDLED_CLIPS", "ClipScorer", "spherical_distance", "to_square"]

BUNDLED_CLIPS = ("clip", "clip-judge")


OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)


def spherical_distance(u: Tensor, v: Tensor) -> Tensor:
    """Return half the squared angle between unit vectors (…, D): ``2 arcsin(|u - v| / 2)^2``, 0 to pi^2/2.

    Its gradient keeps its size where the cosine's fades (the loss of arXiv 2111.14818's published code). The angle is
    taken from sine and cosine of its half, so that the gradient is finite for opposite vectors too.
    """
    return 2 * torch.atan2((u - v).norm(dim=-1), (u + v).norm(dim=-1)).square()


def to_square(pictures: Tensor, size: int, outside: float = 0.0) -> Tensor:
    """Return (B, C, size, size) of pictures (B, C, H, W): padded to a square with ``outside``, averaged or enlarged.

    Making smaller averages all pixels of a cell (adaptive pooling); making larger interpolates. Differentiable.
    """
    height, width = pictures.shape[-2:]
    side = max(height, width)
    if height != width:
        left, top = (side - width) // 2, (side - height) // 2
        pictures = F.pad(pictures, (left, side - width - left, top, side - height - top), value=outside)
    if side == size:
        return pictures
    if side > size:
        return F.adaptive_avg_pool2d(pictures, size)
    return F.interpolate(pictures, size=(size, size), mode="bilinear", align_corners=False)


class ClipScorer:
    """A CLIP (arXiv 2103.00020) with its own size and normalisation, frozen, in float32.

    Args:
        model: A transformers ``CLIPModel``.
        tokenizer: Its tokenizer.
        mean: Mean of each channel of a picture in [0, 1] that the model was trained with.
        std: Standard deviation of each channel.
        name: How results name it.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        mean: Sequence[float] = OPENAI_MEAN,
        std: Sequence[float] = OPENAI_STD,
        name: str = "clip",
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer, self.name = tokenizer, name
        self.size = int(model.config.vision_config.image_size)
        self.device = next(model.parameters()).device
        self.mean = torch.tensor(mean, device=self.device).reshape(1, 3, 1, 1)
        self.std = torch.tensor(std, device=self.device).reshape(1, 3, 1, 1)

    @classmethod
    def load(cls, source: str | Path = "clip", device: torch.device | str = "cpu") -> ClipScorer:
        """Load a bundled CLIP (``clip``, ``clip-judge``), a transformers folder, or a hub id.

        Raises:
            CheckpointError: If there is none, or its weights are not safetensors.
        """
        folder = _bundled(source) if str(source) in BUNDLED_CLIPS else Path(source)
        local = folder.is_dir()
        if not local and str(source) in BUNDLED_CLIPS:
            raise CheckpointError(
                f"the bundled CLIP {folder.name!r} has no weights in this installation: install scumble whole, or give"
                " another CLIP by its transformers folder or hub id"
            )
        if not local and not is_hub_id(str(source)):
            raise CheckpointError(
                f"there is no CLIP at {folder.name!r}; give a transformers CLIPModel folder, a hub id such as"
                f" openai/clip-vit-base-patch32, or one of {', '.join(BUNDLED_CLIPS)}"
            )
        if local and not (folder / "config.json").is_file():
            raise CheckpointError(f"the folder {folder.name!r} is no CLIP: it has no config.json")
        if local and not any(folder.glob("*.safetensors")):
            raise CheckpointError(
                f"the CLIP in {folder.name!r} has no safetensors weights; convert them with save_pretrained"
            )
        return cls._read(folder if local else str(source), device, local)

    @classmethod
    def _read(cls, where: Path | str, device: torch.device | str, local: bool) -> ClipScorer:
        from transformers import AutoTokenizer, CLIPModel

        try:
            kind = {"local_files_only": local}
            with without_progress_bars():
                model: Any = CLIPModel.from_pretrained(where, use_safetensors=True, torch_dtype=torch.float32, **kind)
            tokenizer = AutoTokenizer.from_pretrained(where, **kind)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            first = str(error).splitlines()[0]
            raise CheckpointError(f"the CLIP {Path(where).name!r} could not be loaded: {first}") from error
        mean, std = _normalization(where) if local else (OPENAI_MEAN, OPENAI_STD)
        return cls(model.to(device), tokenizer, mean, std, Path(where).name if local else str(where))

    def encode(self, squares: Tensor, normalize: bool = True) -> Tensor:
        """Return unit features (B, D) of pictures (B, 3, size, size) in [-1, 1].

        Args:
            squares: What :func:`squared` returns; values beyond the range are taken as they are.
            normalise: False leaves out the mean and standard deviation, as published ranking code does.
        """
        pixels = (squares + 1) / 2
        if normalize:
            pixels = (pixels - self.mean) / self.std
        return F.normalize(self.project(pixels), dim=-1)

    def project(self, pixels: Tensor) -> Tensor:
        """Return the raw features (B, D) of normalised pixels (B, 3, size, size)."""
        features: Tensor = self.model.visual_projection(self.model.vision_model(pixels).pooler_output)
        return features

    def tokens(self, squares: Tensor) -> Tensor:
        """Return the last layer's tokens (B, L, D'), one for all and one per patch, of what :meth:`encode` takes."""
        pixels = ((squares + 1) / 2 - self.mean) / self.std
        states: Tensor = self.model.vision_model(pixels).last_hidden_state
        return states

    def image_features(self, pictures: Tensor) -> Tensor:
        """Return unit features (B, D) of pictures (B, 3, H, W) in [-1, 1] of any size; differentiable."""
        return self.encode(to_square(pictures, self.size))

    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """Return unit features (B, D) of prompts; what does not fit the text encoder is cut."""
        longest = int(self.model.config.text_config.max_position_embeddings)
        given = self.tokenizer(
            list(prompts), padding="max_length", truncation=True, max_length=longest, return_tensors="pt"
        ).to(self.device)
        with torch.no_grad():
            pooled = self.model.text_model(given.input_ids, attention_mask=given.get("attention_mask")).pooler_output
            return F.normalize(self.model.text_projection(pooled), dim=-1)


def _bundled(name: str | Path) -> Path:
    return Path(__file__).parents[1] / "bundled" / name


def _normalization(folder: Path | str) -> tuple[Sequence[float], Sequence[float]]:
    path = Path(folder) / "preprocessor_config.json"
    if not path.is_file():
        return OPENAI_MEAN, OPENAI_STD
    config = json.loads(path.read_text())
    return config.get("image_mean", OPENAI_MEAN), config.get("image_std", OPENAI_STD)
