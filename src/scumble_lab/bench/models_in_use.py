"""The models of a run, and on what machine and with which versions it was made."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from scumble.editing.editor import Editor
from scumble.hashing import files_sha256
from scumble.models.clip import BUNDLED_CLIPS
from scumble.records.recipe import versions
from scumble_lab.bench.bench_editor import BenchEditor

__all__ = ["Workshop", "machine"]

PIXEL_MODEL = "still-life-pixel"


class Workshop:
    """The models of a run, loaded when they are first needed."""

    def __init__(self, model: str | None = None, pixel_model: str | None = None, device: str | None = None) -> None:
        self.names = {False: model, True: pixel_model or PIXEL_MODEL}
        self.device = device
        self._editors: dict[str, Editor] = {}

    def editor(self, pixels: bool) -> Editor:
        """The editor on the latent or the pixel model."""
        return self._loaded("pixel" if pixels else "latent", self.names[pixels])

    def editor_for(self, row: BenchEditor) -> Editor:
        """The editor on the model that a row needs."""
        return self._loaded(row.model, row.model) if row.model else self.editor(row.pixels)

    def _loaded(self, key: str, source: str | None) -> Editor:
        if key not in self._editors:
            self._editors[key] = Editor.from_pretrained(source, device=self.device, cache=False)
        return self._editors[key]

    def weights(self, editor: BenchEditor) -> str:
        """Hash of the model's weights that an editor's results depend on."""
        return "" if editor.method is None else self.editor_for(editor).model.weights_hash[:16]

    @cached_property
    def guide(self) -> str:
        """Hash of the CLIP that guides and ranks unless another is named; empty where there is none."""
        path = files("scumble") / "bundled" / BUNDLED_CLIPS[0] / "model.safetensors"
        return files_sha256([Path(str(path))])[:16] if path.is_file() else ""


def machine(workshop: Workshop, jobs: int) -> dict[str, Any]:
    """On what and with what a run was made: machine, versions, commit, models."""
    models = {}
    for key, editor in workshop._editors.items():
        models[key] = {
            "name": editor.model.name,
            "sha256": editor.model.weights_hash[:16],
            "device": str(editor.model.device),
        }
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "jobs": jobs,
        "commit": _commit(),
        "date": time.strftime("%Y-%m-%d"),
        "versions": versions(),
        "models": models,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> str:
    """The commit of the checkout that this package lies in, with a mark if files differ from it; or nothing."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True).stdout

    try:
        changed = "+" if git("status", "--porcelain", "src").strip() else ""
        return git("rev-parse", "--short", "HEAD").strip() + changed
    except (OSError, subprocess.CalledProcessError):
        return ""
