"""A request as the page sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scumble.work.ledger import Row

__all__ = ["OVER", "job_of", "prompt_of"]

OVER = ("done", "failed", "cancelled", "withdrawn")


def job_of(row: Row, live: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A ledger's row as the page sees it."""
    labels = row.body.get("labels") or {}
    live = live or {}
    return {
        "id": row.number,
        "edit": labels.get("edit", row.id),
        "k": int(labels.get("k", 0)),
        "count": int(labels.get("count", row.count)),
        "state": row.state if row.state in ("queued", "running", "cancelling", "interrupted", *OVER) else "failed",
        "method": row.body.get("method", ""),
        "prompt": prompt_of(row.body),
        "seed": row.body.get("seed") or 0,
        "picture": labels.get("picture", ""),
        "live": labels.get("live") == "1",
        "stage": live.get("stage", ""),
        "step": live.get("step", 0),
        "steps": live.get("steps", 0),
        "left": live.get("left"),
        "preview": live.get("preview", 0),
        "silent": live.get("silent", False),
        "error": _sentence(row),
        "results": [f"r{row.number}-{k}" for k in range(len(row.files))],
    }


def prompt_of(body: Mapping[str, Any]) -> str:
    """The words of a request, as one line."""
    words = (body.get("parameters") or {}).get("prompt") or ""
    return " | ".join(words) if isinstance(words, list) else str(words)


def _sentence(row: Row) -> str | None:
    if row.state == "interrupted":
        return "the studio ended while it was being made; nothing was half-written"
    if row.state == "cancelled":
        return None
    return None if row.error is None else row.error if row.hint is None else f"{row.error} ({row.hint})"
