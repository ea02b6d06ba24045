"""What the commands share: the size of the map, the flag of the output, and writing it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from scumble.cli.pipes import input_file, is_stdout, output_file, refuse_terminal

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Canvas", "Output", "Overwrite", "Point", "Sheet", "write"]

Output = Annotated[Path, Parameter(name=["--output", "-o"], help="Where the map goes (.png); - for stdout.")]
Overwrite = Annotated[bool, Parameter(negative="", help="Replace a file that is there.")]
Point = Annotated[tuple[float, float] | None, Parameter(negative="")]


@Parameter(name="*")
@dataclass(frozen=True)
class Canvas:
    """The size of the map."""

    like: Annotated[Path | None, Parameter(help="Make the map as large as this picture (- from stdin).")] = None
    size: Annotated[str | None, Parameter(help="Or give its size, for example 640x480.")] = None

    def sides(self) -> tuple[int, int]:
        """(width, height). Raises InputError unless exactly one of the two was given, and is good."""
        from scumble.errors import InputError

        if (self.like is None) == (self.size is None):
            raise InputError("give the map's size either with --like IMAGE or with --size 640x480")
        if self.like is not None:
            from scumble.images.decode import open_file

            with input_file(self.like) as file:
                return open_file(file).size
        width, _, height = (self.size or "").lower().partition("x")
        if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
            raise InputError(f"--size {self.size!r} is not a size; write it as 640x480")
        return int(width), int(height)


def write(grey: Image.Image, output: Path, overwrite: bool = False) -> None:
    """Save the map and say how much may change; a file that is there is replaced only where that is asked for."""
    from scumble.errors import InputError
    from scumble.files import refuse_overwriting
    from scumble.images import describe_map, load_map, save_image

    about = describe_map(load_map(grey, grey.size)[0])
    if is_stdout(output):
        refuse_terminal()
        with output_file(output) as file:
            save_image(grey, file)
        print(f"map: {about}", file=sys.stderr)
        return
    if output.suffix.lower() != ".png":
        raise InputError(f"the map {output} must end in .png: other formats would make its black impure")
    if not overwrite:
        refuse_overwriting(output)
    save_image(grey, output)
    print(f"{output}: {about}")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Sheet(Canvas):
    """A map to be drawn: its size, and where it goes."""

    output: Output
    overwrite: Overwrite = False

    def write(self, grey: Image.Image) -> None:
        """Save the map and say how much may change."""
        write(grey, self.output, self.overwrite)
