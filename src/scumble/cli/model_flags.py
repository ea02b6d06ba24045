"""Flags that say which model an edit uses and what is put on it; every command with a model has the same."""

# Annotations are real here: commands inherit these fields, and cyclopts reads them in the commands' own modules.
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from scumble.core.traits_of_sampling import FewSteps, Offload, PredictionType, Spacing

if TYPE_CHECKING:
    from scumble.editing.editor import Editor

__all__ = ["ModelFlags"]


@Parameter(name="*")
@dataclass(frozen=True)
class ModelFlags:
    """The model and what is put on it."""

    model: str | None = None
    """Bundled name, diffusers folder, .safetensors file or hub id; the bundled model by default."""
    lora: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """A LoRA as FILE or FILE:WEIGHT; may be given several times."""
    vae: Path | None = None
    """Another autoencoder: a folder or a file."""
    textual_inversion: Annotated[tuple[Path, ...], Parameter(negative="")] = ()
    """A file with a learned word; may be given several times."""
    clip_skip: int | None = None
    """Text encoder layers left out at the end (1 is what other programs call clip skip 2)."""
    prediction_type: PredictionType | None = None
    """What the network predicts, where its file does not say."""
    config: Path | None = None
    """For a single file: a folder whose configs and vocabulary are its own."""
    schedule: Spacing | None = None
    """How a run spreads its levels, if not as the checkpoint says."""
    few_steps: FewSteps | None = None
    """The distilled kind of the checkpoint or LoRA; sets solver, levels, guidance and steps where you don't."""
    weighted_prompt: Annotated[bool, Parameter(negative="")] = False
    """Read (red:1.3) in prompts as a weight; otherwise parentheses are letters."""
    control: Path | None = None
    """A ControlNet: a folder or a file."""
    control_image: Path | None = None
    """The picture that it follows, made as it was trained (edges, depth, scribbles, …), of the edited one's shape."""
    control_scale: float | None = None
    """How strongly it is followed; 1 by default."""
    ip_adapter: Path | None = None
    """An IP-Adapter, which takes a picture as a prompt: a folder or a file, its image_encoder beside it."""
    ip_image: Path | None = None
    """The picture that it tells the network."""
    ip_scale: float | None = None
    """How strongly; 1 by default."""
    device: str | None = None
    """cpu, cuda or mps."""
    dtype: str | None = None
    """float32, float16, bfloat16, or auto."""
    offload: Offload | None = None
    """For small GPUs: model keeps networks that are not at work in main memory, sequential even their layers."""
    runtime: str | None = None
    """torch, openvino (faster on a processor), compile (GPUs), or auto."""

    def editor(self, threads: int | None = None) -> "Editor":
        """Load the model."""
        from scumble.editing.editor import Editor

        names = ("lora", "vae", "textual_inversion", "clip_skip", "prediction_type", "schedule", "few_steps",
                 "control", "control_image", "control_scale", "ip_adapter", "ip_image", "ip_scale")  # fmt: skip
        settings: dict[str, Any] = {name: one for name in names if (one := getattr(self, name)) not in (None, ())}
        if self.weighted_prompt:
            settings["prompt_syntax"] = "weighted"
        return Editor.from_pretrained(
            self.model, device=self.device, dtype=self.dtype, threads=threads, runtime=self.runtime,
            config=self.config, offload=self.offload, **settings,
        )  # fmt: skip
