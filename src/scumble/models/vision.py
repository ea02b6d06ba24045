"""Any vision transformer as a describer of pictures: keys for its places, one token for the whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scumble.errors import CheckpointError
from scumble.models.clip import BUNDLED_CLIPS, OPENAI_MEAN, OPENAI_STD, ClipScorer

__all__ = ["VisionFeatures", "VisionTower"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
KEYS = re.compile(r"(?P<layer>.*\.\d+)\..*(?:key|k_proj)$")


@dataclass(frozen=True)
class VisionFeatures:
    """What a vision transformer says about pictures.

    Attributes:
        keys: Keys of the last layer's self-attention, heads side by side (B, T, D); the first is the whole's.
        whole: The token for the whole picture, out of the last layer, before any final normalisation (B, D).
    """

    keys: Tensor
    whole: Tensor


class VisionTower:
    """A ViT, DINO or CLIP vision tower of transformers, frozen, in float32.

    Args:
        network: The transformers model.
        mean: Mean of each channel of a picture in [0, 1] that it was trained with.
        std: Standard deviation of each channel.
        size: Side of the pictures that it takes; 224 for most.
        name: How results name it.

    Raises:
        CheckpointError: If it has no self-attention with keys.
    """

    def __init__(
        self,
        network: Any,
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
        size: int | None = None,
        name: str = "vit",
    ) -> None:
        self.network: nn.Module = network.eval().requires_grad_(False)
        matches = [match for path, _ in network.named_modules() if (match := KEYS.match(path))]
        if not matches:
            raise CheckpointError(f"{name} has no self-attention with keys: give a ViT, DINO or CLIP vision tower")
        self.key_path, self.layer_path = matches[-1][0], matches[-1]["layer"]
        self.size = size or int(network.config.image_size)
        self.name = name
        self.device = next(network.parameters()).device
        self.mean = torch.tensor(mean, device=self.device).reshape(1, 3, 1, 1)
        self.std = torch.tensor(std, device=self.device).reshape(1, 3, 1, 1)

    @classmethod
    def load(cls, source: str | Path = "clip", device: torch.device | str = "cpu") -> VisionTower:
        """Load the vision tower of a bundled CLIP, a transformers folder, or a hub id such as facebook/dino-vitb8.

        Raises:
            CheckpointError: If there is none, or its weights are not safetensors.
        """
        if str(source) in BUNDLED_CLIPS:
            return cls.of(ClipScorer.load(source, device))
        from transformers import AutoConfig, AutoModel

        local = Path(source).is_dir()
        try:
            config = AutoConfig.from_pretrained(source, local_files_only=local)
            network = AutoModel.from_pretrained(
                source, use_safetensors=True, torch_dtype=torch.float32, local_files_only=local
            ).to(device)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            first = str(error).splitlines()[0]
            raise CheckpointError(
                f"the vision transformer {Path(source).name!r} could not be loaded: {first}; give a transformers"
                f" folder or hub id with safetensors, or one of {', '.join(BUNDLED_CLIPS)}"
            ) from error
        name = Path(source).name if local else str(source)
        if config.model_type.startswith("clip"):
            return cls(getattr(network, "vision_model", network), OPENAI_MEAN, OPENAI_STD, name=name)
        return cls(network, name=name)

    @classmethod
    def of(cls, clip: ClipScorer) -> VisionTower:
        """The tower of a CLIP that is loaded already."""
        mean, std = (tuple(t.flatten().tolist()) for t in (clip.mean, clip.std))
        return cls(clip.model.vision_model, mean, std, clip.size, clip.name)

    def __call__(self, pictures: Tensor) -> VisionFeatures:
        """Return the features of pictures (B, 3, H, W) in [-1, 1]: bilinear to the tower's size, without antialias."""
        small = (pictures + 1) / 2
        if tuple(small.shape[-2:]) != (self.size, self.size):
            small = F.interpolate(small, size=(self.size, self.size), mode="bilinear", align_corners=False)
        outputs: dict[str, Tensor] = {}

        def reader(name: str) -> Any:
            def read(module: nn.Module, args: Any, output: Any) -> None:
                outputs[name] = output if isinstance(output, Tensor) else output[0]

            return read

        hooks = [
            self.network.get_submodule(path).register_forward_hook(reader(name))
            for path, name in ((self.key_path, "keys"), (self.layer_path, "layer"))
        ]
        try:
            self.network((small - self.mean) / self.std)
        finally:
            for hook in hooks:
                hook.remove()
        return VisionFeatures(outputs["keys"], outputs["layer"][:, 0])
