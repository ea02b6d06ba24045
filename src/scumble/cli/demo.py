"""``scumble demo``: one real edit of a picture of the bundled world, before, map and after side by side."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["demo"]

PROMPT = "a large white sphere on grass by day"
SEED = 3
SCENE = 85
"""Of the bundled world: a large white sphere on a wooden floor at sunset."""


def demo(folder: Path = Path("demo"), *, seed: int = SEED, prompt: str = PROMPT) -> None:
    """Edit a picture of the bundled world with a strength that grows from left to right.

    Parameters
    ----------
    folder
        Where before.png, map.png, after.png and demo.png go; made if it does not exist.
    seed
        Seed of the edit.
    prompt
        What the changed part should show.
    """
    from PIL import Image

    from scumble.cli.progress import progress_bar
    from scumble.editing.editor import Editor
    from scumble.images import save_image
    from scumble.maps import linear
    from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
    from scumble_lab.world import render, sample_scene

    folder.mkdir(parents=True, exist_ok=True)
    before = Image.fromarray(render([sample_scene(SCENE)], size=64, samples=4)[0].permute(1, 2, 0).numpy())
    change = linear(before.size, angle=0.0, start=0.0, end=1.0)
    save_image(before, folder / "before.png", None)
    save_image(change, folder / "map.png", None)
    editor = Editor.from_pretrained()
    method = DifferentialDiffusion(prompt=prompt, change_map=folder / "map.png")
    with progress_bar(False, "editing") as on_step:
        # At the model's own size there is no finer detail to bring back.
        result = editor.edit(folder / "before.png", method, seed=seed, on_step=on_step, detail="model")
    result.save(folder / "after.png")
    side = 192
    sheet = Image.new("RGB", (3 * side + 20, side), "white")
    for k, image in enumerate((before, change.convert("RGB"), result.image)):
        sheet.paste(image.resize((side, side), Image.Resampling.LANCZOS), (k * (side + 10), 0))
    save_image(sheet, folder / "demo.png", None)
    for notice in result.notices:
        print(notice, file=sys.stderr)
    print(f"{result.cost.network_calls} network calls, {result.cost.seconds:.1f} s: {prompt}", file=sys.stderr)
    print(folder / "demo.png")
