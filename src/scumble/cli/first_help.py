"""What ``--help`` shows: the flags that people use first, and an example; ``--help-all`` shows the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cyclopts.help import DefaultFormatter, HelpPanel

if TYPE_CHECKING:
    from cyclopts import App
    from rich.console import Console, ConsoleOptions

__all__ = ["EXAMPLES", "FIRST", "with_first_help"]

EXAMPLES = {
    "edit": 'scumble edit photo.png --map map.png --prompt "a red cube" -o edited.png',
    "generate": 'scumble generate --prompt "a red cube on sand" --count 4 -o cube.png',
    "invert": 'scumble invert photo.png --prompt "a photo of a dog" -o photo.inversion.safetensors',
    "drag": "scumble drag photo.png --from 120,200 --to 160,200 --map map.png -o dragged.png",
    "batch": "scumble batch photos --maps '{stem}_mask.png' --prompt \"in snow\" -o results",
    "extend": 'scumble extend photo.png --right 128 --prompt "a beach" -o wider.png',
    "map": "scumble map ellipse 40 30 120 90 --like photo.png -o map.png",
    "describe": "scumble describe scene.png",
    "methods": "scumble methods sdedit",
    "info": "scumble info edited.png",
    "redo": "scumble redo edited.png",
    "demo": "scumble demo",
    "analyse": 'scumble analyse noise photo.png --prompt "a photo of a dog" -o noise.csv',
    "studio": "scumble studio",
    "cache": "scumble cache",
    "world": "scumble world sheet scenes.png --count 12",
    "bench": "scumble bench make out/bench --count 4",
    "train": "scumble train vae --size cpu",
}
"""Command -> a line that works."""

COMMON = ("--output", "--model", "--seed", "--count", "--method", "--overwrite")
SAMPLED = ("--prompt", "--strength", "--num-inference-steps", "--guidance-scale")
FIRST: dict[str, tuple[str, ...]] = {
    "edit": ("IMAGE", "--map", "--prompt", "--strength", "--method", "--num-inference-steps", "--guidance-scale",
             "--seed", "--count", "--output", "--model"),
    "generate": (*COMMON, *SAMPLED, "--width", "--height"),
    "drag": ("IMAGE", "--from", "--to", "--map", "--prompt", "--method", "--reach", "--iterations", "--seed",
             "--output", "--model", "--animation"),
    "extend": ("IMAGE", "--left", "--right", "--top", "--bottom", "--prompt", *COMMON),
    "invert": ("IMAGE", "--output", "--prompt", "--kind", "--skip", "--num-inference-steps", "--map", "--seed",
               "--model"),
    "batch": ("REQUESTS", "--output", "--maps", "--prompts", "--name", "--dry-run", "--only", "--workers", "--redo",
              "--max-cost", "--json"),
}  # fmt: skip
"""Command -> the flags that its ``--help`` shows. Commands that are not here show all that they have."""


class _First(DefaultFormatter):
    """Shows some of the flags of a command, and whole panels with a title that is wanted."""

    def __init__(self, flags: Sequence[str], whole: str | None) -> None:
        super().__init__()
        self._flags, self._whole = set(flags), whole

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print a panel, without what is not wanted."""
        if panel.title != self._whole:
            entries = [one for one in panel.entries if self._flags & {one.positional_label, *one.all_options}]
            panel = panel.copy(entries=entries)
        super().__call__(console, options, panel)


def with_first_help(app: App, command: str, words: Sequence[str], whole: str | None = None) -> list[str]:
    """Let an app answer ``--help`` with its first flags and ``--help-all`` with all; return the words for it.

    Args:
        app: The command's app.
        command: Its name.
        words: What the user typed after it.
        whole: Title of a panel that is shown whole: of the method that the user named.
    """
    if command in EXAMPLES:
        app.help_epilogue = f"Example: `{EXAMPLES[command]}`"
    if "--help-all" in words:
        return ["--help" if word == "--help-all" else word for word in words]
    if command in FIRST and {"--help", "-h"} & set(words):
        app.help_formatter = _First(FIRST[command], whole)
        app.help_epilogue = f"{app.help_epilogue}\n\nAll flags: `scumble {command} --help-all`"
    return list(words)
