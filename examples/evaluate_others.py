"""Score somebody else's results on edits whose true result is known.

    python examples/evaluate_others.py

A benchmark is a plain folder. Whatever made the pictures, put them into ``results/NAME/CASE.png``: they are scored
beside the trivial editors that show where the scales begin and end. Here the other software is Pillow, which tints the
region; it succeeds at nothing and shows how little is needed to take part.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

from PIL import Image

from scumble.cli import main as scumble

FOLDER = Path("others")


def tint(case: Path, target: Path) -> None:
    """Stand in for the software that is to be judged: give the region half of a plain red."""
    about = json.loads((case / "case.json").read_text(encoding="utf-8"))
    print("asked for:", about["instruction"])
    source = Image.open(case / "source.png").convert("RGB")
    region = Image.open(case / "region.png").convert("L").point(lambda value: value // 2)
    source.paste((200, 30, 30), (0, 0), region)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.save(target)


def main() -> None:
    """Make two cases, let the other software edit them, and print how it did."""
    scumble(["bench", "make", str(FOLDER), "--tasks", "recolour", "--count", "2", "--seed", "5"])
    for case in sorted((FOLDER / "cases").iterdir()):
        tint(case, FOLDER / "results" / "tint" / f"{case.name}.png")
    scumble(["bench", "run", str(FOLDER), "--methods", "ideal,identity"])
    scumble(["bench", "report", str(FOLDER)])
    with (FOLDER / "scores.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            print(row["editor"], row["case"], "success", row["success"], "PSNR outside", row["psnr_out"])


if __name__ == "__main__":
    main()
