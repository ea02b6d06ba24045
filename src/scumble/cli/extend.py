"""``scumble extend``: a picture continued beyond its edges by any method that edits inside a mask."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import App, Parameter

from scumble.cli import run_app
from scumble.cli.common import Common
from scumble.cli.flags import build_method
from scumble.cli.method_app import command_app, edit_method, whole_panel
from scumble.cli.outcome import settled_target, tell_plan
from scumble.cli.pipes import file_of, is_stdout, named, opened, output_file
from scumble.cli.places import with_places
from scumble.cli.progress import progress_bar
from scumble.errors import MethodError
from scumble.methods.base import ImageMethod

__all__ = ["extend"]


def extend(words: Sequence[str]) -> None:
    """Run ``scumble extend``."""
    run_app(extend_app(words), words, whole=whole_panel(words))


def extend_app(words: Sequence[str]) -> App:
    """``scumble extend`` with the flags of the method that the words name."""
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
        """Continue a picture on each side; what was there stays, byte for byte.

        Parameters
        ----------
        image
            The picture; - reads it from stdin.
        left
            Pixels to add on the left; likewise right, top and bottom.
        prompt_left
            What the left side should show; the other words of --prompt by default.
        """
        built = build_method(method, with_places(method, given, common.at, common.also_words))
        assert isinstance(built, ImageMethod)
        target = settled_target(common, f"{named(image)}-extended.png", file_of(image))
        from scumble.editing.budget import refuse_above
        from scumble.editing.estimate import Plan
        from scumble.editing.extend import extend as grow

        picture = opened(image)
        sides = {"left": prompt_left, "right": prompt_right, "top": prompt_top, "bottom": prompt_bottom}
        editor = common.editor(common.threads)
        wanted: dict[str, Any] = {"left": left, "right": right, "top": top, "bottom": bottom, "count": common.count}
        wanted["prompts"] = {side: words for side, words in sides.items() if words is not None}
        if common.plan or common.max_cost is not None:
            # strips are edits of what the ones before made: a network of zeros makes them all
            cost = grow(editor.counting(), picture, built, seed=0, **wanted).cost
            if common.plan:
                tell_plan(Plan(cost, cost), common)
                return
            refuse_above(common.max_cost, lambda: Plan(cost, cost))
        with progress_bar(common.quiet or common.json, "extending") as on_step:
            seed = secrets.randbits(31) if common.seed is None else common.seed
            grown = grow(editor, picture, built, seed=seed, on_step=on_step, **wanted)
        with output_file(target) as file:
            grown.save(file, metadata=common.metadata, overwrite=common.overwrite, strip=common.strip)
        if not common.quiet:
            strips = "1 strip" if len(grown.recipes) == 1 else f"{len(grown.recipes)} strips"
            summary = f"{strips}, {grown.cost.network_calls} network calls, {grown.cost.seconds:.1f} s"
            print("\n".join([*grown.notices, summary]), file=sys.stderr)
        if not is_stdout(target):
            print(target)

    return command_app("extend", command, method)
