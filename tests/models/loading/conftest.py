"""A checkpoint's folder, as diffusers writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def folder(sd_pipe: Any, tmp_path: Path) -> Path:
    sd_pipe.save_pretrained(tmp_path / "tiny-sd")
    return tmp_path / "tiny-sd"
