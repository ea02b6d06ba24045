"""Make each method's picture by the commands on its page, and note what they cost.

Usage: ``python docs/pictures.py [METHOD ...]``; without names all methods. Writes ``docs/pictures/METHOD.jpg`` (before,
map if there is one, after) and ``docs/pictures/costs.json``. Seeds stand in the commands, so a picture is made again as
it was on one machine.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from scumble.cli import main
from scumble.files import atomic_write
from scumble.images import save_image
from scumble.methods.registry import method_names
from scumble.records.recipe import read_recipe

DOCS = Path(__file__).parent
PICTURES = DOCS / "pictures"
COSTS = PICTURES / "costs.json"
SIDE, GAP = 192, 10


def page_of(method: str) -> Path:
    """The hand-written part of a method's page."""
    return DOCS / "method" / f"{method}.md"


def commands(page: Path) -> list[list[str]]:
    """The words of each command in the page's example."""
    block = re.search(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    if block is None:
        raise SystemExit(f"{page} has no example")
    return [shlex.split(line) for line in block.group(1).splitlines()]


def make(method: str) -> tuple[Image.Image, dict[str, Any]]:
    """Run a page's commands in an empty folder; return the picture and what the edit was planned to cost."""
    lines = commands(page_of(method))
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for words in lines[:-1]:
            main(words[1:])
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            main([*lines[-1][1:], "--plan"])
        main(lines[-1][1:])
        shown = [*sorted(Path("scenes").glob("*.png")), *Path().glob("map.png"), *sorted(Path().glob("out*.png"))]
        return sheet([Image.open(path).convert("RGB") for path in shown]), cost(printed.getvalue(), Path(shown[-1]))


def cost(plan: str, made: Path) -> dict[str, Any]:
    """What the plan counts, without seconds and memory, which are a machine's; steps and candidates by the recipe."""
    recipe, rows = read_recipe(made), re.match(r".*?backward rows( \([^)]*\))?", " ".join(plan.split()))
    if rows is None:
        raise SystemExit(f"the plan counts no rows: {plan}")
    steps = recipe.used.get("num_inference_steps") or recipe.parameters.get("num_inference_steps")
    return {"plan": rows[0], "steps": steps, "count": recipe.count}


def sheet(images: list[Image.Image]) -> Image.Image:
    """The images side by side on white."""
    made = Image.new("RGB", (len(images) * (SIDE + GAP) - GAP, SIDE), "white")
    for k, image in enumerate(images):
        made.paste(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (k * (SIDE + GAP), 0))
    return made


def pictures(methods: list[str]) -> None:
    """Make the pictures of some methods."""
    PICTURES.mkdir(exist_ok=True)
    for method in methods:
        image, spent = make(method)
        save_image(image, PICTURES / f"{method}.jpg", None)
        costs = json.loads(COSTS.read_text(encoding="utf-8")) if COSTS.exists() else {}
        costs[method] = spent
        ordered = {name: costs[name] for name in method_names() if name in costs}
        with atomic_write(COSTS) as unfinished:
            unfinished.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
        print(PICTURES / f"{method}.jpg", file=sys.stderr)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    pictures(sys.argv[1:] or method_names())
