"""``scumble edit`` and ``scumble generate``: one picture in (or none), candidates with their recipe out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cyclopts import App

from scumble.cli import run_app
from scumble.cli.common import Common
from scumble.cli.describe import with_caption
from scumble.cli.flags import build_method, with_fields
from scumble.cli.method_app import acting, command_app, default_method, edit_method, whole_panel
from scumble.cli.outcome import report, settled_target, tell_plan
from scumble.cli.pipes import file_of, named, opened
from scumble.cli.places import with_places
from scumble.cli.progress import progress_bar
from scumble.errors import InputError
from scumble.records.view import View

__all__ = ["VIEW_TITLE", "edit", "edit_app", "generate", "generate_app"]

UNASKED_STRENGTH = 0.5
"""How much of a picture is redrawn where nobody says what, where or how."""
VIEW_TITLE = "How the picture is looked at"


def edit(words: Sequence[str]) -> None:
    """Run ``scumble edit``."""
    run_app(edit_app(words), words, whole=whole_panel(words))


def edit_app(words: Sequence[str]) -> App:
    """``scumble edit`` with the flags of the method that the words name."""
    default = default_method(words)
    method = edit_method(words, default, takes_image=True)

    def command(
        image: str | None = None,
        *,
        inversion: Path | None = None,
        sheet: Path | None = None,
        common: Common = Common(),  # noqa: B008
        given: dict[str, Any],
        look: dict[str, Any],
    ) -> None:
        """Edit a picture. White in the map means change; where it is black the result is byte-identical.

        Parameters
        ----------
        image
            The picture: PNG, JPEG, WebP, TIFF, BMP; - reads it from stdin. With --inversion it may be left out.
        inversion
            A file made by scumble invert: only the steps of the edit are left to be run.
        sheet
            Also write all candidates on one contact sheet.
        """
        if image is None and inversion is None:
            raise InputError("no picture: give one, or an inversion with --inversion")
        remark = None
        if not common.method and default == "sdedit":
            given.setdefault("strength", UNASKED_STRENGTH)
            remark = (
                f"no map was given: the whole picture was redrawn at strength {given['strength']:g};"
                " choose with --strength or --map"
            )
        elif not common.method and default == "ddpm-inversion":
            remark = "no method was given: ddpm-inversion was taken; choose with --method"
        given = with_caption(given, image, common.model, common.quiet or common.json)
        placed = with_places(method, given, common.at, common.also_words)
        built, view = build_method(method, placed), build_method(View, look)
        stem = named(image or str(inversion)).split(".")[0]
        target = settled_target(common, f"{stem}-{method.method_name()}.png", file_of(image))
        from scumble.editing.contact_sheet import sheet_of  # torch: only what is to be computed waits for it
        from scumble.images import save_image

        picture = None if image is None else opened(image)
        editor = common.editor(common.threads)
        if common.plan:
            tell_plan(
                editor.plan(
                    picture,
                    built,
                    **common.planned,
                    inversion=inversion,
                    also=acting(common.also),
                    view=view,
                ),
                common,
            )
            return
        with progress_bar(common.quiet or common.json, method.method_name()) as on_step:
            result = editor.edit(
                picture,
                built,
                **common.candidates,
                on_step=on_step,
                inversion=inversion,
                also=acting(common.also),
                view=view,
            )
        if remark is not None:
            result.notices.append(remark)
        if sheet is not None:
            save_image(sheet_of(result), sheet, None)
        report(result, target, common)

    return command_app("edit", with_fields(command, View, title=VIEW_TITLE, into="look"), method)


def generate(words: Sequence[str]) -> None:
    """Run ``scumble generate``."""
    run_app(generate_app(words), words, whole=whole_panel(words))


def generate_app(words: Sequence[str]) -> App:
    """``scumble generate`` with the flags of the method that the words name."""
    method = edit_method(words, "text-to-image", takes_image=False)

    def command(*, common: Common = Common(), given: dict[str, Any]) -> None:  # noqa: B008
        """Make a picture from words."""
        built = build_method(method, with_places(method, given, common.at, common.also_words))
        target = settled_target(common, f"{method.method_name()}.png")
        editor = common.editor(common.threads)
        if common.plan:
            tell_plan(editor.plan(None, built, **common.planned, also=acting(common.also)), common)
            return
        with progress_bar(common.quiet or common.json, method.method_name()) as on_step:
            result = editor.generate(built, **common.candidates, on_step=on_step, also=acting(common.also))
        report(result, target, common)

    return command_app("generate", command, method)
