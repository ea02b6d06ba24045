"""Maps that are drawn: ``scumble map linear``, ``radial``, ``strips``, ``fan``, ``box``, ``ellipse``."""

from __future__ import annotations

from scumble.cli.map.canvas import Point, Sheet

__all__ = ["box", "ellipse", "fan", "linear", "radial", "strips"]


def linear(
    *,
    angle: float = 0.0,
    start: float = 0.0,
    end: float = 1.0,
    low: float = 0.0,
    high: float = 1.0,
    sheet: Sheet,
) -> None:
    """Make a ramp: strength grows from one side to the other.

    Parameters
    ----------
    angle
        Direction in degrees: 0 from left to right, 90 from top to bottom.
    start
        Where the ramp begins, as a part of the way (0 to 1).
    end
        Where it ends.
    low
        Strength at the beginning.
    high
        Strength at the end.
    """
    from scumble import maps

    sheet.write(maps.linear(sheet.sides(), angle, start, end, low, high))


def radial(
    *,
    center: Point = None,
    radius: float | None = None,
    inner: float = 0.0,
    low: float = 0.0,
    high: float = 1.0,
    sheet: Sheet,
) -> None:
    """Make a disc that fades outward.

    Parameters
    ----------
    center
        Centre X Y in pixels; the picture's by default.
    radius
        Where it has faded to LOW, in pixels; half the shorter side by default.
    inner
        Up to this radius the strength is HIGH.
    low
        Strength outside.
    high
        Strength at the centre.
    """
    from scumble import maps

    sheet.write(maps.radial(sheet.sides(), center, radius, inner, low, high))


def strips(
    *,
    count: int = 5,
    low: float = 0.0,
    high: float = 1.0,
    angle: float = 0.0,
    sheet: Sheet,
) -> None:
    """Make strips of even steps of strength.

    Parameters
    ----------
    count
        How many strips.
    low
        Strength of the first.
    high
        Strength of the last.
    angle
        Direction in degrees: 0 from left to right, 90 from top to bottom.
    """
    from scumble import maps

    sheet.write(maps.strips(sheet.sides(), count, low, high, angle))


def fan(
    *,
    count: int = 8,
    center: Point = None,
    low: float = 0.0,
    high: float = 1.0,
    start: float = -90.0,
    sweep: float = 360.0,
    radius: float | None = None,
    sheet: Sheet,
) -> None:
    """Make a strength fan: sectors around a centre that show what each strength does.

    Parameters
    ----------
    count
        How many sectors.
    center
        Centre X Y in pixels; the picture's by default.
    low
        Strength of the first sector.
    high
        Strength of the last.
    start
        Angle of the first sector's edge in degrees: -90 is up, 0 right.
    sweep
        How many degrees the fan covers, clockwise.
    radius
        Beyond this many pixels nothing changes.
    """
    from scumble import maps

    sheet.write(maps.strength_fan(sheet.sides(), count, center, low, high, start, sweep, radius))


def box(
    left: float,
    top: float,
    right: float,
    bottom: float,
    *,
    soft: int = 0,
    strength: float = 1.0,
    sheet: Sheet,
) -> None:
    """Make a rectangle, hard or with a soft edge around it.

    Parameters
    ----------
    left
        Left side in pixels.
    top
        Top side.
    right
        Right side.
    bottom
        Bottom side.
    soft
        Fade out over this many pixels around it.
    strength
        Strength inside (0 to 1).
    """
    from scumble import maps

    sheet.write(maps.box(sheet.sides(), left, top, right, bottom, soft, strength))


def ellipse(
    left: float,
    top: float,
    right: float,
    bottom: float,
    *,
    soft: int = 0,
    strength: float = 1.0,
    sheet: Sheet,
) -> None:
    """Make the ellipse that fills a box, hard or with a soft edge around it.

    Parameters
    ----------
    left
        Left side of the box in pixels.
    top
        Top side.
    right
        Right side.
    bottom
        Bottom side.
    soft
        Fade out over this many pixels around it.
    strength
        Strength inside (0 to 1).
    """
    from scumble import maps

    sheet.write(maps.ellipse(sheet.sides(), left, top, right, bottom, soft, strength))
