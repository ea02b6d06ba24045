"""Writing bytes so that a file is either whole or not there at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from scumble.errors import InputError

__all__ = ["write_bytes"]


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file under a temporary name beside it, then give it its name.

    Raises:
        InputError: If the disk does not take it.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        unfinished.write_bytes(data)
        os.replace(unfinished, path)  # noqa: PTH105 - its atomicity is the point
    except OSError as error:
        raise InputError(f"{path.name} cannot be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
