"""Two changes at once: by one prompt, by a prompt for each place, and by ledits, which finds the places.

``python -m benchmarks.two_changes [COUNT] [FILE]``: COUNT cases of each task, on scenes that no setting was chosen on;
a row of FILE (by default docs/report/two-changes.csv) for each, and those that are there are kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks._rows import Rows
from scumble.editing.editor import Editor
from scumble.images import to_tensor
from scumble_lab.bench.classifier import load_classifier
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.metrics.success import kept_share, succeeded
from scumble_lab.bench.tasks import draw
from scumble_lab.bench.two_changes import TWO_CHANGES

COUNT, SEED, STEPS = 16, 2727, 12
ROWS = ("two-by-one-prompt", "two-by-places", "two-by-ledits")
FILE = Path(__file__).parents[1] / "docs" / "report" / "two-changes.csv"


def main(count: int = COUNT, file: Path = FILE) -> None:
    """Make what is missing, then print a line for each row and task."""
    rows = Rows(file, ("editor", "task", "case"), ("success", "kept", "forward_rows"))
    editor, classifier = Editor.from_pretrained(), load_classifier()
    for k in range(count):
        for task in TWO_CHANGES:
            sample = draw(task, k, SEED)
            for name in ROWS:
                if rows.has(name, task, sample.case.id):
                    continue
                method = EDITORS[name].build(sample).model_copy(update={"num_inference_steps": STEPS})
                result = editor.edit(sample.source, method, seed=SEED + k)
                read = classifier(to_tensor(result.images[0]))[0]
                figures = {
                    "success": succeeded(sample.case, read),
                    "kept": round(kept_share(sample.case, read), 4),
                    "forward_rows": result.cost.forward_rows,
                }
                rows.add({"editor": name, "task": task, "case": sample.case.id, **figures})
    for task in TWO_CHANGES:
        for name in ROWS:
            mine = [row for row in rows.rows if (row["editor"], row["task"]) == (name, task)]
            right, rest = (sum(float(row[column]) for row in mine) for column in ("success", "kept"))
            print(f"{task} {name}: {right:.0f}/{len(mine)} right, rest kept {100 * rest / len(mine):.0f} %", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT, *map(Path, sys.argv[2:3]))
