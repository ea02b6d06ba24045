"""``python -m scumble``: the command line."""

from __future__ import annotations

from scumble.cli import main

if __name__ == "__main__":
    main()
