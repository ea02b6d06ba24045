"""``scumble edit`` and ``scumble generate``: one picture in (or none), candidates with their recipe out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from scumble.cli import run_app
from scumble.cli.describe import with_caption
from scumble.cli.flags import build_method, is_named, method_of, with_fields
from scumble.cli.model_flags import ModelFlags
from scumble.cli.pipes import file_of, is_stdout, named, opened, output_file
from scumble.cli.places import with_places
from scumble.cli.progress import progress_bar
from scumble.errors import InputError
from scumble.files import PICTURE_FORMATS, refuse_overwriting
from scumble.methods.method import Method
from scumble.methods.registry import method_class
from scumble.records.view import View

if TYPE_CHECKING:
    from scumble.editing.estimate import Plan
    from scumble.editing.result import Result

__all__ = [
    "VIEW_TITLE",
    "Common",
    "command_app",
    "default_method",
    "edit",
    "edit_app",
    "edit_method",
    "generate",
    "generate_app",
    "report",
    "settled_target",
    "tell_plan",
    "whole_panel",
]

UNASKED_STRENGTH = 0.5
"""How much of a picture is redrawn where nobody says what, where or how."""
VIEW_TITLE = "How the picture is looked at"


@Parameter(name="*")
@dataclass(frozen=True)
class Common(ModelFlags):
    """Flags that every method shares."""

    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None
    """Where the result goes (.png, .jpg, .webp or .tif; - sends a PNG to stdout)."""
    overwrite: Annotated[bool, Parameter(negative="")] = False
    """Replace files that are there, the edited picture included."""
    method: Annotated[str, Parameter(name=["--method", "-m"], show_default=False)] = ""
    """The method; scumble methods lists them."""
    seed: int | None = None
    """Candidate k has seed + k; drawn and recorded when not given."""
    also: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """What acts besides the method, as NAME {json}: wish, present, paint, say, shift; may be given several times."""
    at: Annotated[tuple[tuple[str, str], ...], Parameter(negative="")] = ()
    """MAP "TEXT": a prompt for a part of the image; MAP is a file, a number, words:NAME or not:NAME. Repeatable."""
    also_words: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """"TEXT:SCALE": words added to the prompt's guidance, such as sunset:+6; a negative scale removes. Repeatable."""
    count: int = 1
    """Number of candidates."""
    batch_size: int | None = None
    """Candidates computed at once; all up to 8 by default."""
    plan: Annotated[bool, Parameter(negative="")] = False
    """Only say what it will cost: network calls, forward and backward rows."""
    max_cost: int | None = None
    """Refuse what may take more rows of the network, forward and backward together; --plan says how many."""
    exact_batch: Annotated[bool, Parameter(negative="")] = False
    """Make every candidate by itself: then not even the last bit depends on how many are made at once."""
    threads: int | None = None
    """Processor threads; they can decide the last bit of a pixel, and are recorded."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """No progress and no remarks."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Print outputs, recipes, cost and remarks as JSON."""
    metadata: bool = True
    """Write the recipe into the result."""
    map_inside: Annotated[bool, Parameter(negative="")] = False
    """Put the change map in beside the recipe, so that redo needs no file of it."""
    strip: Annotated[bool, Parameter(negative="")] = False
    """Leave out what the edited file holds besides its pixels (EXIF with GPS, XMP), but for its color profile."""


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
        common: Common = Common(),
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
                    count=common.count,
                    batch_size=1 if common.exact_batch else common.batch_size,
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
                seed=common.seed,
                count=common.count,
                batch_size=common.batch_size,
                exact_batch=common.exact_batch,
                max_cost=common.max_cost,
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

    def command(*, common: Common = Common(), given: dict[str, Any]) -> None:
        """Make a picture from words."""
        made = build_method(method, with_places(method, given, common.at, common.also_words))
        target = settled_target(common, f"{method.method_name()}.png")
        editor = common.editor(common.threads)
        if common.plan:
            size = 1 if common.exact_batch else common.batch_size
            tell_plan(editor.plan(None, made, count=common.count, batch_size=size, also=acting(common.also)), common)
            return
        with progress_bar(common.quiet or common.json, method.method_name()) as on_step:
            result = editor.generate(
                made,
                seed=common.seed,
                count=common.count,
                batch_size=common.batch_size,
                exact_batch=common.exact_batch,
                max_cost=common.max_cost,
                on_step=on_step,
                also=acting(common.also),
            )
        report(result, target, common)

    return command_app("generate", command, method)


def edit_method(words: Sequence[str], default: str, takes_image: bool) -> type[Method]:
    """Return the method that ``--method`` names, refusing one that belongs to the other command."""
    method: type[Method] = method_class(method_of(words, default))
    if method.takes_image is not takes_image and not method.image_optional:
        other = "scumble edit IMAGE" if method.takes_image else "scumble generate"
        raise InputError(f"{method.method_name()} belongs to: {other} --method {method.method_name()}")
    return method


def default_method(words: Sequence[str]) -> str:
    """The method where none is named: with a map the one for maps; without, none that replaces the whole picture."""
    flags = {word.partition("=")[0] for word in words if word.startswith("-")}
    if flags & {"--map", "--mask", "--change-map", "--help", "--help-all", "-h"}:
        return "differential-diffusion"
    return "ddpm-inversion" if flags & {"--source-prompt", "--inversion"} else "sdedit"


def command_app(name: str, command: Callable[..., None], method: type[Method], without: Sequence[str] = ()) -> App:
    """The app of a command with the fields of a method as flags, but those ``without``."""
    app = App(name=f"scumble {name}", version_flags=[])
    app.default(with_fields(command, method, without, title=_title(method)))
    return app


def whole_panel(words: Sequence[str]) -> str | None:
    """Title of the panel of which ``--help`` shows all: where a method is named, that with its parameters."""
    return _title(method_class(method_of(words, ""))) if is_named(words) else None


def _title(method: Any) -> str:
    return f"Parameters of {method.method_name()}"


def tell_plan(planned: Plan, common: Common) -> None:
    """Print what an edit will cost."""
    if not common.json:
        print(planned)
        return
    names = ("network_calls", "forward_rows", "backward_rows")
    bounds = {name: {n: getattr(getattr(planned, name), n) for n in names} for name in ("least", "most")}
    more = {"seconds": planned.seconds, "peak_bytes": planned.peak_bytes}
    print(json.dumps({**bounds, "exact": planned.exact, "why": planned.why, **more}))


def acting(texts: Sequence[str]) -> list[Any]:
    """Read what acts besides the method."""
    if not texts:
        return []
    from scumble.methods.extras.parse import parse_also

    return [parse_also(text) for text in texts]


def settled_target(common: Common, default: str, source: Path | None = None) -> Path:
    """Settle where the result goes before anything is computed.

    Args:
        common: The flags: ``output``, and whether files may be overwritten.
        default: Name of the result where none was given.
        source: The file that is edited.

    Raises:
        InputError: If it cannot be written there, or a file would be lost.
    """
    target = common.output or Path(default)
    if is_stdout(target):
        _check_stdout(common)
        return target
    if not target.parent.is_dir():
        raise InputError(f"the output folder {target.parent.name!r} does not exist; create it first")
    if target.suffix.lower() not in PICTURE_FORMATS:
        raise InputError(f"output {target.name!r} has an unknown extension: use .png, .jpg, .webp or .tif")
    if not common.overwrite:
        refuse_overwriting(target, source)
    return target


def _check_stdout(common: Common) -> None:
    if common.json:
        raise InputError("--json and -o - both write to stdout; give the picture a file")
    if common.count != 1:
        raise InputError(f"-o - takes one picture, not {common.count} candidates; give a file name")
    if sys.stdout.isatty() and not common.plan:
        raise InputError("-o - would write a picture into the terminal; pipe it on, or give a file name")


def report(result: Result, target: Path, common: Common) -> None:
    """Write the candidates and say what they cost."""
    with output_file(target) as file:
        written = result.save(file, metadata=common.metadata, map_inside=common.map_inside,
                              overwrite=common.overwrite, strip=common.strip)  # fmt: skip
    cost = result.cost.as_dict()
    if common.json:
        recipes = [result.recipe_of(k).model_dump(mode="json") for k in range(len(written))]
        record = {"outputs": [str(p) for p in written], "recipes": recipes, "cost": cost, "notices": result.notices}
        print(json.dumps(record, ensure_ascii=False))
        return
    if not common.quiet:
        for notice in result.notices:
            print(notice, file=sys.stderr)
        print(
            f"{cost['network_calls']} network calls, {cost['forward_rows']} forward and {cost['backward_rows']}"
            f" backward rows, {result.cost.seconds:.1f} s",
            file=sys.stderr,
        )
    for path in () if is_stdout(target) else written:
        print(path)
