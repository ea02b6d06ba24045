"""``scumble cache``: what is kept on the disk so that it need not be made again."""

from __future__ import annotations

from datetime import datetime

from cyclopts import App

__all__ = ["app"]

app = App(name="cache", help="List converted networks that are kept on the disk, or clear them.")

MEGA = 1e6


@app.default
def show() -> None:
    """List the converted networks: model, part, runtime, size, last use."""
    from scumble.models.runtime.cache import RuntimeCache

    cache = RuntimeCache()
    entries = sorted(cache.entries(), key=lambda entry: -entry.used)
    for entry in entries:
        used = datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M")
        about = entry.about
        print(f"{about.get('model', '?')}  {about.get('part', '?')}  {about.get('runtime', '?')}  "
              f"{entry.size / MEGA:.1f} MB  {used}")  # fmt: skip
    total = sum(entry.size for entry in entries) / MEGA
    print(f"{len(entries)} converted networks, {total:.1f} MB in {cache.folder}")


@app.command
def clear() -> None:
    """Remove all of them; they are made again when they are wanted."""
    from scumble.models.runtime.cache import RuntimeCache

    cache = RuntimeCache()
    print(f"freed {cache.clear() / MEGA:.1f} MB in {cache.folder}")
