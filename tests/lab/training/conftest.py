from __future__ import annotations

from pathlib import Path

import pytest

from scumble_lab.training.config import CPU, Schedule, Size
from scumble_lab.training.run_folder import RunFolder


def brief(steps: int = 4, batch: int = 6) -> Schedule:
    """A schedule of a few steps."""
    return Schedule(minutes=1, steps=steps, batch=batch, learning_rate=1e-3, warmup=2, seed=3)


@pytest.fixture
def tiny() -> Size:
    """Everything at its smallest."""
    return CPU.model_copy(
        update={
            "picture": 32,
            "scenes": 24,
            "held_out": 8,
            "bf16": False,
            "vae": CPU.vae.model_copy(update={"channels": (8, 8, 16), "schedule": brief()}),
            "clip": CPU.clip.model_copy(
                update={
                    "text_width": 32,
                    "text_layers": 1,
                    "vision_width": 32,
                    "vision_layers": 1,
                    "schedule": brief(),
                }
            ),
            "classifier": CPU.classifier.model_copy(update={"channels": (8, 8, 16), "schedule": brief()}),
            "latent": CPU.latent.model_copy(update={"channels": (16, 32), "schedule": brief()}),
            "fast": CPU.fast.model_copy(update={"substeps": 2, "schedule": brief()}),
            "instruct": CPU.instruct.model_copy(update={"pairs": 12, "held_out": 4, "schedule": brief()}),
            "pixel": CPU.pixel.model_copy(
                update={"channels": (8, 16), "attention": (False, True), "head_dim": 8, "schedule": brief()}
            ),
        }
    )


@pytest.fixture
def shop(tmp_path: Path, tiny: Size) -> RunFolder:
    return RunFolder(tmp_path / "run", tiny)
