"""``scumble drag``: this point goes there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from scumble.cli import run_app
from scumble.cli.common import Common  # fmt: skip
from scumble.cli.edit import VIEW_TITLE
from scumble.cli.flags import build_method, with_fields
from scumble.cli.method_app import command_app, edit_method, whole_panel
from scumble.cli.outcome import report, settled_target, tell_plan
from scumble.cli.pipes import file_of, is_stdout, named, opened
from scumble.cli.places import with_places
from scumble.cli.progress import progress_bar
from scumble.editing.animation import check_animation, save_animation
from scumble.errors import InputError, MethodError
from scumble.files import refuse_overwriting
from scumble.methods.drag.fields import PointFields
from scumble.methods.drag.points import parse_points
from scumble.records.view import View

if TYPE_CHECKING:
    from scumble.editing.result import Result

__all__ = ["drag"]

FRAMES = 12
"""Pictures of an animation unless told."""


def drag(words: Sequence[str]) -> None:
    """Run ``scumble drag``."""
    run_app(drag_app(words), words, whole=whole_panel(words))


def drag_app(words: Sequence[str]) -> App:
    """``scumble drag`` with the flags of the method that the words name."""
    method = edit_method(words, "drag-noise", takes_image=True)
    if not issubclass(method, PointFields):
        raise MethodError(f"{method.method_name()} drags no points; use drag-noise, drag-diffusion or warp-drag")

    def command(
        image: str | None = None,
        *,
        source: Annotated[list[str] | None, Parameter(name="--from", negative="")] = None,
        target: Annotated[list[str] | None, Parameter(name="--to", negative="")] = None,
        inversion: Path | None = None,
        animation: Path | None = None,
        common: Common = Common(),  # noqa: B008
        given: dict[str, Any],
        look: dict[str, Any],
    ) -> None:
        """Drag points of a picture to other places. White in the mask may change; black stays byte-identical.

        Parameters
        ----------
        image
            The picture: PNG, JPEG, WebP, TIFF, BMP; - reads it from stdin. With --inversion it may be left out.
        source
            A point x,y in pixels of the picture, from the upper left; as often as there are points.
        target
            Where it should go, x,y; the first --to belongs to the first --from.
        inversion
            A file made by scumble invert: every drag of the picture begins there at once.
        animation
            Also write the way there (.gif, or .mp4 where ffmpeg is installed).
        """
        if image is None and inversion is None:
            raise InputError("no picture: give one, or an inversion with --inversion")
        given = {**given, "points": parse_points(source or (), target or ())}
        if animation is not None:
            check_animation(animation)
            if "frames" not in method.model_fields:
                raise MethodError(f"{method.method_name()} goes there in one step, so there is nothing to animate")
            given.setdefault("frames", FRAMES)
        drag_method = build_method(method, with_places(method, given, common.at, common.also_words))
        view = build_method(View, look)
        stem = named(image or str(inversion)).split(".")[0]
        output = settled_target(common, f"{stem}-dragged.png", file_of(image))
        if animation is not None and not common.overwrite:
            refuse_overwriting(animation)
        picture = None if image is None else opened(image)
        editor = common.editor(common.threads)
        if common.plan:
            tell_plan(editor.plan(picture, drag_method, **common.planned, inversion=inversion, view=view), common)
            return
        with progress_bar(common.quiet or common.json, method.method_name()) as on_step:
            result = editor.edit(
                picture,
                drag_method,
                **common.candidates,
                on_step=on_step,
                inversion=inversion,
                view=view,
            )
        if animation is not None:
            save_animation(result.frames, animation)
        if not (common.quiet or common.json):
            _tell(result)
        report(result, output, common)
        if animation is not None and not common.json and not is_stdout(output):
            print(animation)

    without = ("tiles", "windows", *(["window"] if "patch_radius" in method.model_fields else []))
    looking = with_fields(command, View, without=without, title=VIEW_TITLE, into="look")
    return command_app("drag", looking, method, without=("points",))


def _tell(result: Result) -> None:
    """Say of every point how far from its target it was found."""
    for number, outcome in enumerate(result.reports):
        which = f"candidate {number}, " if len(result.reports) > 1 else ""
        for k, point in enumerate(outcome.get("points", ())):
            print(
                f"{which}point {k + 1}: {point['arrival_error']:.1f} pixels from its target,"
                f" of {point['distance']:.1f} it had to go",
                file=sys.stderr,
            )
