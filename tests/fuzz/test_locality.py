"""Pixels where the map is 0 keep their bytes in the written file, whatever the picture, the map and the view are.

Sixty random cases with every test run; ``make fuzz`` tries thousands (``SCUMBLE_FUZZ``), and counts the bytes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from scumble.editing.editor import Editor
from scumble.errors import InputError
from scumble.images import load_image
from scumble.methods.base import ImageMethod
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.img2img.sdedit import SDEdit
from scumble.methods.inpainting.blended_latent_diffusion import BlendedLatentDiffusion
from tests.images.drawn import photograph

CASES = int(os.environ.get("SCUMBLE_FUZZ", "60"))
MODES = ("RGB", "RGBA", "L", "LA", "P", "CMYK", "1", "I;16")
FORMATS = (".png", ".webp", ".tif")
VIEWS: tuple[dict[str, Any], ...] = (
    {}, {"window": "region"}, {"window": "region", "context": 0.0, "match_border": True}, {"window": "whole"},
    {"window": "region", "work_size": 128}, {"detail": "model"}, {"windows": 1}, {"windows": 3, "window": "region"},
    {"tiles": True}, {"tiles": True, "match_border": True}, {"fade": 0.0},
)  # fmt: skip
METHODS: tuple[type[ImageMethod], ...] = (DifferentialDiffusion, SDEdit, BlendedLatentDiffusion)


def drawn_map(random: np.random.Generator, width: int, height: int) -> npt.NDArray[np.float32]:
    """Up to four rectangles, dots or ramps, weak and strong, some of them nothing."""
    change = np.zeros((height, width), np.float32)
    for _ in range(int(random.integers(0, 5))):
        left, top = int(random.integers(0, width)), int(random.integers(0, height))
        right, bottom = left + int(random.integers(1, 30)), top + int(random.integers(1, 30))
        part = change[top:bottom, left:right]
        strength = random.choice([0.004, 0.02, 0.3, 1.0])
        part[...] = strength * (np.linspace(0, 1, part.shape[1]) if random.random() < 0.3 else 1.0)
    return change


def written(editor: Editor, case: int, folder: Path) -> tuple[int, int]:
    """Bytes of kept pixels that differ in one random edit's file, and how many there are."""
    random = np.random.default_rng(case)
    width, height = (int(side) for side in random.integers(1, 160, 2))
    mode, suffix = MODES[int(random.integers(len(MODES)))], FORMATS[int(random.integers(len(FORMATS)))]
    drawn = Image.fromarray(photograph(max(width, 8), max(height, 8), case)).crop((0, 0, width, height))
    given = Image.fromarray(np.asarray(drawn.convert("L"), np.uint16) * 257) if mode == "I;16" else drawn.convert(mode)
    change, source = drawn_map(random, width, height), load_image(given)
    kind, view = METHODS[int(random.integers(len(METHODS)))], VIEWS[int(random.integers(len(VIEWS)))]
    fields = {"prompt": "a cat", "num_inference_steps": 2, "feather": [None, 0, 3][int(random.integers(3))]}
    result = editor.edit(given, kind(change_map=change, **fields), seed=case, **view)
    (path,) = result.save(folder / f"{case}{suffix}")
    kept = change == 0
    before, after = (np.asarray(one.convert("RGBA" if source.alpha else "RGB"))[kept]
                     for one in (source.with_alpha(source.rgb), Image.open(path)))  # fmt: skip
    path.unlink()
    return int((before != after).sum()), before.size


def test_kept_pixels_keep_their_bytes_in_random_edits(tiny_editor: Editor, tmp_path: Path) -> None:
    differing, seen, refused = [], 0, 0
    for case in range(CASES):
        try:
            wrong, count = written(tiny_editor, case, tmp_path)
        except InputError as error:
            assert "\n" not in str(error), case
            refused += 1
            continue
        seen += count
        if wrong:
            differing.append((case, wrong))
    print(
        f"{CASES - refused} edits, {refused} refused, {seen} bytes kept, {sum(wrong for _, wrong in differing)} differ"
    )
    assert not differing and not refused
