"""The model that an edit asks for, with all that decides what it computes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from scumble.core.traits_of_sampling import FewSteps, Offload, PredictionType, PromptSyntax, Spacing
from scumble.records.file_ref import FileRef
from scumble.settings import Settings

__all__ = ["Adapter", "ModelSpec"]


class Adapter(Settings):
    """A LoRA or another small set of weights on top of the model's."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    file: FileRef
    """Its file."""
    weight: float = Field(default=1.0, ge=-10, le=10)
    """How strongly it acts."""


class ModelSpec(Settings):
    """A model and what is put on it or set beside it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, protected_namespaces=()
    )

    name: str | None = None
    """A bundled name, a folder, a ``.safetensors`` file or a hub id; None: the bundled model."""
    adapters: tuple[Adapter, ...] = ()
    """In the order in which they are put on."""
    vae: FileRef | None = None
    """Another decoder."""
    embeddings: tuple[FileRef, ...] = ()
    """Words learned for this model (textual inversion)."""
    clip_skip: int | None = Field(default=None, ge=1, le=12)
    """Text encoder layers left out at the end."""
    prediction_type: PredictionType | None = None
    """What the network predicts, where its file does not say."""
    schedule: Spacing | None = None
    """How a run spreads its levels; None: as the checkpoint's scheduler says."""
    few_steps: FewSteps | None = None
    """The distilled kind for which the run is set."""
    prompt_syntax: PromptSyntax | None = None
    """weighted: parentheses with a number in a prompt are weights."""
    control: FileRef | None = None
    """A ControlNet."""
    control_image: FileRef | None = None
    """The picture that it follows."""
    control_scale: float | None = Field(default=None, ge=0, le=10)
    """How strongly it is followed."""
    ip_adapter: FileRef | None = None
    """An IP-Adapter."""
    ip_image: FileRef | None = None
    """The picture that it tells the network."""
    ip_scale: float | None = Field(default=None, ge=0, le=10)
    """How strongly it acts."""
    offload: Offload | None = None
    """Keep networks (or, sequential, their layers) that are not at work in main memory."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] | None = None
    """Precision of the networks; None: float32."""
    runtime: str | None = None
    """What computes the networks: torch, openvino, compile or auto; None: PyTorch."""
    settled: bool = False
    """The runtime is what ``auto`` came to: a network that it cannot take is PyTorch's. No part of the identity."""

    def asked(self) -> dict[str, Any]:
        """The settings besides the name that are not at their defaults, as keywords for the editor."""
        defaults = ModelSpec()
        return {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name not in ("name", "settled") and getattr(self, name) != getattr(defaults, name)
        }

    @property
    def weights_name(self) -> str:
        """The name with all that decides which weights compute: models of one such name have one weights hash."""
        files: list[tuple[FileRef | None, float | None]] = [(one.file, one.weight) for one in self.adapters]
        files += [(one, None) for one in (self.vae, *self.embeddings)]
        files += [(self.control, self.control_scale), (self.ip_adapter, self.ip_scale)]
        parts = [self.dtype] if self.dtype in ("float16", "bfloat16") else list[str]()
        parts += [f"{file.path}:{1 if scale is None else scale:g}" for file, scale in files if file is not None]
        return " with ".join([self.name or "", *([", ".join(parts)] if parts else [])])

    def add_ons(self) -> dict[str, Any]:
        """What is put on the model, as keywords for the editor."""
        settings: dict[str, Any] = {
            "lora": [(one.file.path, one.weight) for one in self.adapters],
            "vae": None if self.vae is None else self.vae.path,
            "textual_inversion": [one.path for one in self.embeddings],
            "control": None if self.control is None else self.control.path,
            "control_image": None if self.control_image is None else self.control_image.path,
            "ip_adapter": None if self.ip_adapter is None else self.ip_adapter.path,
            "ip_image": None if self.ip_image is None else self.ip_image.path,
        }
        names = ("clip_skip", "prediction_type", "schedule", "few_steps", "prompt_syntax", "control_scale", "ip_scale")
        return {**settings, **{name: getattr(self, name) for name in names}}
