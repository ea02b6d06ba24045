"""``scumble extend``: a picture continued beyond its edges by any method that edits inside a mask."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from scumble.cli import run_app
from scumble.cli.edit import Common, edit_method, settled_target
from scumble.cli.flags import build_method, with_fields
from scumble.cli.places import with_places
from scumble.cli.progress import progress_bar
from scumble.errors import MethodError
from scumble.methods.base import ImageMethod

__all__ = ["extend"]


def extend(words: Sequence[str]) -> None:
    """Run ``scumble extend``; the flags depend on ``--method``."""
    method = edit_method(words, "differential-diffusion", takes_image=True)
    if not issubclass(method, ImageMethod):
        raise MethodError(f"{method.method_name()} does not edit inside a mask; use differential-diffusion")

    def command(
        image: str,
        *,
        left: int = 0,
        right: int = 0,
        top: int = 0,
        bottom: int = 0,
        prompt_left: Annotated[str | None, Parameter(show_default=False)] = None,
        prompt_right: Annotated[str | None, Parameter(show_default=False)] = None,
        prompt_top: Annotated[str | None, Parameter(show_default=False)] = None,
        prompt_bottom: Annotated[str | None, Parameter(show_default=False)] = None,
        common: Common = Common(),  # noqa: B008
        given: dict[str, Any],
    ) -> None:
        """Continue a picture by so many pixels on each side; what was there stays, byte for byte.

        Parameters
        ----------
        image
            The picture.
        left
            Pixels to add on the left; likewise right, top and bottom.
        prompt_left
            What the left side shall show; the other words of --prompt by default.
        """
        made = build_method(method, with_places(method, given, common.at, common.also_words))
        assert isinstance(made, ImageMethod)
        target = settled_target(common.output, f"{Path(image).stem}-extended.png", common.overwrite, Path(image))
        from scumble.editing.extend import extend as grow
        from scumble.images import load_image

        picture = load_image(image)
        sides = {"left": prompt_left, "right": prompt_right, "top": prompt_top, "bottom": prompt_bottom}
        editor = common.editor(common.threads)
        with progress_bar(common.quiet or common.json, "extending") as on_step:
            grown = grow(
                editor,
                picture,
                made,
                left=left,
                right=right,
                top=top,
                bottom=bottom,
                prompts={side: words for side, words in sides.items() if words is not None},  # type: ignore[misc]
                seed=secrets.randbits(31) if common.seed is None else common.seed,
                count=common.count,
                on_step=on_step,
            )
        grown.save(target, metadata=common.metadata, overwrite=common.overwrite, strip=common.strip)
        if not common.quiet:
            summary = (
                f"{len(grown.recipes)} strips, {grown.cost.network_calls} network calls, {grown.cost.seconds:.1f} s"
            )
            print("\n".join([*grown.notices, summary]), file=sys.stderr)
        print(target)

    app = App(name="scumble extend", version_flags=[])
    app.default(with_fields(command, method, title=f"Parameters of {method.method_name()}"))
    run_app(app, words)
